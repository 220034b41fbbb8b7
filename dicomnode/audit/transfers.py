"""What one association brings or takes: collected as it goes, told of once for each study."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from dicomnode.audit.messages import InstancesTransferred, Message, TransferBegun
from dicomnode.audit.participants import Action, Outcome, Participant, StudyContent

_BEGUN_AFTER_S = 5.0
"""A transfer that takes longer is told of when it begins, too."""
_QUIET_S = 60.0
"""A study that has had nothing for so long is told of, though the association goes on."""

Note = Callable[[Message, float], None]


@dataclass
class _Counted:
    """Of one study, with one outcome."""

    classes: Counter[str] = field(default_factory=Counter)
    words: str = ""
    since: float = field(default_factory=time.time)
    last: float = 0.0
    begun: bool = False


_Key = tuple[str, Action, Outcome]


class Transfers:
    """Counts what goes over one association. What it costs an instance is an entry in a dictionary.

    Parameters
    ----------
    note : callable
        Takes a message, and when it happened.
    peer : Participant
    sends : bool
        Whether the peer is who sends.
    node_asked : bool
        Whether the node opened the association.
    on_end : callable
        Told of its end.
    """

    def __init__(
        self,
        note: Note,
        peer: Participant,
        sends: bool,
        node_asked: bool,
        on_end: Callable[[Transfers], object],
    ) -> None:
        self._note = note
        self._ends = {"sender" if sends else "receiver": peer, "node_asked": node_asked}
        self._on_end = on_end
        self._lock = threading.Lock()
        self._counted: dict[_Key, _Counted] = {}

    def went(
        self,
        study_instance_uid: str,
        sop_class_uid: str,
        action: Action = Action.CREATE,
        outcome: Outcome = Outcome.SUCCESS,
        words: str = "",
    ) -> None:
        """One instance went over, or failed to.

        Parameters
        ----------
        study_instance_uid : str
            Empty where nobody knows.
        sop_class_uid : str
        action : Action
        outcome : Outcome
        words : str
            Why it failed, in the node's own words; of several that fail the last one's are told.
        """
        key = (study_instance_uid, action, outcome)
        with self._lock:
            counted = self._counted.get(key)
            if counted is None:
                counted = self._counted[key] = _Counted()
            counted.classes[sop_class_uid] += 1
            counted.last = time.time()
            if words:
                counted.words = words

    def end(self) -> None:
        """Tell of all that was not told of yet. Safe to repeat."""
        self._tell(time.time(), over=True)
        self._on_end(self)

    def tell_of_long(self, now: float) -> None:
        """Tell of what takes long; called every second or so by somebody else."""
        self._tell(now, over=False)

    def _tell(self, now: float, over: bool) -> None:
        told: list[tuple[Message, float]] = []
        with self._lock:
            for key, counted in list(self._counted.items()):
                if over or now - counted.last > _QUIET_S:
                    del self._counted[key]
                    told.append((self._done(key, counted), counted.last))
                elif not counted.begun and now - counted.since > _BEGUN_AFTER_S:
                    counted.begun = True
                    if key[2] is Outcome.SUCCESS:
                        begun = TransferBegun(StudyContent(key[0]), **self._ends)
                        told.append((begun, counted.since))
        for message, at in told:
            self._note(message, at)

    def _done(self, key: _Key, counted: _Counted) -> InstancesTransferred:
        study_instance_uid, action, outcome = key
        return InstancesTransferred(
            StudyContent(study_instance_uid, tuple(sorted(counted.classes.items()))),
            **self._ends,
            action=action,
            outcome=outcome,
            reason=counted.words,
        )
