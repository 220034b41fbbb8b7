"""What the composition root lets be looked at of a running node."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomnode.receive.pressure import Pressure
from dicomnode.store.database import Database


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
    listening : callable
        Whether associations are taken.
    associations : callable
        How many are open.
    max_associations : int
    workers_alive : callable
        Worker processes that live.
    workers : int
        How many there are to be.
    scheduler_runs : callable
        Whether what is due is woken.
    threads : tuple of str
        Names of the services' threads.
    pressure : Pressure
        How much is taken.
    certificate_end : callable
        When the receiver's certificate ends, in seconds since 1970; infinity where it has none.
    """

    root: Path
    reserve_bytes: int
    database: Database
    listening: Callable[[], bool]
    associations: Callable[[], int]
    max_associations: int
    workers_alive: Callable[[], int]
    workers: int
    scheduler_runs: Callable[[], bool]
    threads: tuple[str, ...]
    pressure: Pressure
    certificate_end: Callable[[], float]

    @property
    def free_bytes(self) -> int:
        """Free space of the store's file system, for the node's user; OSError where unknown."""
        return shutil.disk_usage(self.root).free

    @property
    def size_bytes(self) -> int:
        """Size of the store's file system; OSError where unknown."""
        return shutil.disk_usage(self.root).total


def service_threads(destinations: Sequence[str], retrieves: bool) -> tuple[str, ...]:
    """Names of the threads that live as long as a node with these destinations does.

    Parameters
    ----------
    destinations : sequence of str
    retrieves : bool
        Whether there are sources.
    """
    return (
        "engine",
        "dispatcher",
        "collector",
        "summariser",
        "refusals",
        *(["retriever"] if retrieves else []),
        "commitment-reports",
        "prober",
        "housekeeper",
        "retention",
        "alerts",
        *(f"courier-{name}" for name in destinations),
        *(f"confirmer-{name}" for name in destinations),
    )
