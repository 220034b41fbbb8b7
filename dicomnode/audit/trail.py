"""Where messages are noted: what the rest of the node knows of the audit trail."""

from __future__ import annotations

from typing import Protocol

from dicomnode.audit.messages import Message
from dicomnode.audit.participants import Action, Outcome, Participant


class NotAudited(OSError):
    """A message that must be on disk could not be written; what it is about must not happen."""


class Transferred(Protocol):
    """Takes what goes over one association."""

    def went(
        self,
        study_instance_uid: str,
        sop_class_uid: str,
        action: Action = Action.CREATE,
        outcome: Outcome = Outcome.SUCCESS,
        words: str = "",
    ) -> None:
        """One instance went over, or failed to. Costs next to nothing."""

    def end(self) -> None:
        """The association has ended."""


class Trail(Protocol):
    """Takes messages. Safe to call from any thread."""

    def note(self, message: Message) -> None:
        """Take a message; it is written within a second or so. Returns at once, raises nothing."""

    def note_durably(self, message: Message) -> None:
        """Write a message, and return once it is on disk.

        Raises
        ------
        NotAudited
        """

    def transfers(self, peer: Participant, sends: bool, node_asked: bool = False) -> Transferred:
        """Collect what goes over an association with a peer; the caller ends it.

        Parameters
        ----------
        peer : Participant
        sends : bool
            Whether the peer is who sends.
        node_asked : bool
            Whether the node opened the association.
        """


class NoTransfers:
    """Counts nothing."""

    def went(
        self,
        study_instance_uid: str,
        sop_class_uid: str,
        action: Action = Action.CREATE,
        outcome: Outcome = Outcome.SUCCESS,
        words: str = "",
    ) -> None:
        """Forget it."""

    def end(self) -> None:
        """Nothing is to be told."""


class NullTrail:
    """Keeps nothing; in use where ``[audit] enabled`` is false, and in tests."""

    def note(self, message: Message) -> None:
        """Forget it."""

    def note_durably(self, message: Message) -> None:
        """Forget it."""

    def transfers(self, peer: Participant, sends: bool, node_asked: bool = False) -> Transferred:
        """Give what counts nothing."""
        return NoTransfers()
