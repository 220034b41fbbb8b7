"""What a part of the node leaves in the store for others to see: that it runs, and how it is.

That a part runs is what its lock says, which ends with its process. That it is well is what the
part itself says every few seconds.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.faults import describe_fault
from dicomnode.store.lock import ROLES, Role, running_roles
from dicomnode.version import VERSION

logger = logging.getLogger(__name__)

EVERY_S = 5.0
LATE_S = 30.0
"""A part that has said nothing for so long hangs."""


@dataclass(frozen=True)
class Beat:
    """What a part said last.

    Attributes
    ----------
    pid : int
        Of its process.
    version : str
    started_at, beat_at : float
        Seconds since 1970.
    status : str
        One line for people, without patient data.
    unwell : str or None
        What a restart would mend.
    """

    pid: int
    version: str
    started_at: float
    beat_at: float
    status: str
    unwell: str | None = None

    @classmethod
    def read(cls, root: Path, role: Role) -> Beat | None:
        """What a part said last; None where it has said nothing that can be read."""
        try:
            return cls(**json.loads(_file(root, role).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class PartSeen:
    """One part, as seen from outside.

    Attributes
    ----------
    role : Role
    runs : bool
    beat : Beat or None
        None where it says nothing, as a process that plays every role does.
    """

    role: Role
    runs: bool
    beat: Beat | None

    @property
    def problem(self) -> str | None:
        """What is wrong with it; None where nothing is."""
        if not self.runs:
            return f"the {self.role} does not run"
        if self.beat is None:
            return None
        silent_s = time.time() - self.beat.beat_at
        if silent_s > LATE_S:
            return f"the {self.role} runs, and has said nothing for {silent_s:.0f} s"
        return None if self.beat.unwell is None else f"the {self.role}: {self.beat.unwell}"


def parts_seen(root: Path) -> tuple[PartSeen, ...]:
    """All parts, whether they run or not. Raises OSError where the locks cannot be looked at."""
    running = running_roles(root)
    return tuple(PartSeen(role, role in running, Beat.read(root, role)) for role in ROLES)


class Heartbeat:
    """Says every few seconds that a process is there, and how it is.

    Parameters
    ----------
    root : Path
        The store.
    roles : sequence of Role
        That the process plays.
    scheduler : apscheduler scheduler
    status : callable
        Gives one line for people.
    unwell : callable
        Gives what a restart would mend, None where nothing is.
    """

    def __init__(
        self,
        root: Path,
        roles: tuple[Role, ...],
        scheduler: BaseScheduler,
        status: Callable[[], str],
        unwell: Callable[[], str | None],
    ) -> None:
        self._root = root
        self._roles = roles
        self._scheduler = scheduler
        self._status = status
        self._unwell = unwell
        self._started_at = time.time()

    def start(self) -> None:
        """Say it now and from now on."""
        self.beat()
        self._scheduler.add_job(
            self.beat, "interval", seconds=EVERY_S, id="health:beat", replace_existing=True
        )

    def beat(self) -> None:
        """Say it once. A disk that takes nothing stops no part: others see that it is silent."""
        beat = Beat(
            os.getpid(), VERSION, self._started_at, time.time(), self._status(), self._unwell()
        )
        text = json.dumps(asdict(beat))
        try:
            for role in self._roles:
                file = _file(self._root, role)
                file.parent.mkdir(mode=0o700, exist_ok=True)
                # Not fsynced: after a power cut nobody runs, whatever it says.
                new = file.with_suffix(".new")
                new.write_text(text, encoding="utf-8")
                new.replace(file)
        except OSError as error:
            logger.warning("part.unseen %s", describe_fault(error))

    def stop(self) -> None:
        """Take back what was said. Safe to repeat."""
        forget_beats(self._root, self._roles)


def forget_beats(root: Path, roles: tuple[Role, ...]) -> None:
    """Remove what roles said last; who owns them now says it anew, or says nothing."""
    for role in roles:
        with contextlib.suppress(OSError):
            _file(root, role).unlink(missing_ok=True)


def _file(root: Path, role: Role) -> Path:
    return root / "status" / f"{role}.json"
