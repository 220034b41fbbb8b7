"""What the composition root lets be looked at of a running node."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dicomnode.receive.pressure import Pressure
from dicomnode.store.database import Database
from dicomnode.store.lock import Role


@dataclass(frozen=True)
class ReceiverVitals:
    """What there is to see of the part that receives.

    Attributes
    ----------
    listening : callable
        Whether associations are taken.
    associations : callable
        How many are open.
    max_associations : int
    pressure : Pressure
        How much is taken.
    certificate_end : callable
        When its certificate ends, in seconds since 1970; infinity where it has none.
    """

    listening: Callable[[], bool]
    associations: Callable[[], int]
    max_associations: int
    pressure: Pressure
    certificate_end: Callable[[], float]


@dataclass(frozen=True)
class WorkerVitals:
    """What there is to see of the part that works.

    Attributes
    ----------
    alive : callable
        Worker processes that live.
    processes : int
        How many there are to be.
    """

    alive: Callable[[], int]
    processes: int


@dataclass(frozen=True)
class Vitals:
    """Where to look.

    Attributes
    ----------
    root : Path
        The store.
    reserve_bytes : int
        The watermark: with less free, nothing is received.
    database : Database
    scheduler_runs : callable
        Whether what is due is woken.
    threads : tuple of str
        Names of the services' threads.
    receiver : ReceiverVitals, optional
        None where this process does not receive.
    worker : WorkerVitals, optional
        None where it does not work.
    elsewhere : tuple of Role
        Parts that other processes are to play, and that are looked at from here.
    """

    root: Path
    reserve_bytes: int
    database: Database
    scheduler_runs: Callable[[], bool]
    threads: tuple[str, ...]
    receiver: ReceiverVitals | None = None
    worker: WorkerVitals | None = None
    elsewhere: tuple[Role, ...] = ()

    @property
    def free_bytes(self) -> int:
        """Free space of the store's file system, for the node's user; OSError where unknown."""
        return shutil.disk_usage(self.root).free

    @property
    def size_bytes(self) -> int:
        """Size of the store's file system; OSError where unknown."""
        return shutil.disk_usage(self.root).total
