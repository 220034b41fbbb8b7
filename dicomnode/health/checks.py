"""The checks behind `/health/live` and `/health/ready`. Each says in a sentence what it found."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError

from dicomnode.health.beat import parts_seen
from dicomnode.health.vitals import Vitals
from dicomnode.receive.pressure import Level
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion

_MB = 2**20
_WORK = (LesionState.READY, LesionState.SEGMENTED)


@dataclass(frozen=True)
class Check:
    """What one look came to.

    Attributes
    ----------
    name : str
    passed : bool
    reason : str
        What was found; where it did not pass, also what was expected.
    """

    name: str
    passed: bool
    reason: str


def services(vitals: Vitals) -> Check:
    """Every service has its thread, and the scheduler wakes them. Only a restart mends this."""
    alive = {thread.name for thread in threading.enumerate()}
    gone = [name for name in vitals.threads if name not in alive]
    if not vitals.scheduler_runs():
        gone.insert(0, "scheduler")
    if gone:
        return Check("services", False, f"found no thread of {', '.join(gone)}: restart the node")
    return Check("services", True, f"{len(vitals.threads)} run")


def store(vitals: Vitals) -> Check:
    """A file in the store can be written and fsynced; nothing of it is left."""
    try:
        with tempfile.TemporaryFile(dir=vitals.root) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        reason = errno.errorcode.get(error.errno or 0, type(error).__name__)
        return Check("store", False, f"the store cannot be written: {reason}")
    return Check("store", True, "a file was written and fsynced")


def database(vitals: Vitals) -> Check:
    """The database can be read, and gives the right to write."""
    try:
        with vitals.database.write() as session:
            session.scalar(select(exists().where(Lesion.id > 0)))
    except SQLAlchemyError as error:
        # Its text holds statements and addresses.
        return Check("database", False, f"the database cannot be written: {type(error).__name__}")
    return Check("database", True, "a transaction was begun and ended")


def receiver(vitals: Vitals) -> Check:
    """Associations are taken."""
    receives = vitals.receiver
    if not receives.listening():
        return Check("receiver", False, "the receiver does not listen")
    return Check(
        "receiver", True, f"{receives.associations()} of {receives.max_associations} associations"
    )


def workers(vitals: Vitals) -> Check:
    """Worker processes live wherever there is work.

    A pool that died is replaced when work comes: without work, none alive is no reason to fail.
    """
    alive = vitals.worker.alive()
    words = f"{alive} of {vitals.worker.processes} processes live"
    if alive:
        return Check("workers", True, words)
    try:
        with vitals.database.read() as session:
            waits = session.scalar(select(exists().where(Lesion.state.in_(_WORK))))
    except SQLAlchemyError as error:
        return Check("workers", False, f"{words}, and {type(error).__name__}: is there work?")
    return Check("workers", not waits, f"{words}, and {'work waits' if waits else 'no work waits'}")


def disk(vitals: Vitals) -> Check:
    """More is free than what is kept in reserve."""
    try:
        free = vitals.free_bytes
    except OSError as error:
        return Check("disk", False, f"free space is not known: {type(error).__name__}")
    words = f"{free // _MB} MB free, [store] reserve_mb is {vitals.reserve_bytes // _MB}"
    return Check("disk", free >= vitals.reserve_bytes, words)


def pressure(vitals: Vitals) -> Check:
    """Objects are taken. CT images may be held back: marks still get in, so that it passes."""
    taken = vitals.receiver.pressure
    reading, marks = taken.read(), taken.watermarks
    free = "?" if reading.free_bytes is None else reading.free_bytes // _MB
    backlog = "?" if reading.backlog is None else reading.backlog
    found = f"{free} MB free, {backlog} rows wait"
    if reading.level is Level.NOTHING:
        words = (
            f"no object is taken: {found}; from {marks.nothing_free_bytes // _MB} MB and "
            f"{marks.nothing_backlog} rows on"
        )
        return Check("pressure", False, words)
    if reading.level is Level.MARKS:
        words = (
            f"marks are taken and CT images are not: {found}; from "
            f"{marks.marks_free_bytes // _MB} MB and {marks.marks_backlog} rows on"
        )
        return Check("pressure", True, words)
    return Check("pressure", True, f"all is taken: {found}")


def parts(vitals: Vitals) -> Check:
    """The other parts run, and are well. Each is a process of its own, with its own look."""
    try:
        seen = {part.role: part for part in parts_seen(vitals.root)}
    except OSError as error:
        return Check("parts", False, f"the locks cannot be looked at: {type(error).__name__}")
    problems = [seen[role].problem for role in vitals.elsewhere if seen[role].problem]
    if problems:
        return Check("parts", False, "; ".join(problems))
    return Check("parts", True, f"{' and '.join(vitals.elsewhere)} run")


LIVE = (services,)


def ready_checks(vitals: Vitals) -> tuple[Callable[[Vitals], Check], ...]:
    """The checks that make sense of the parts that run in this process."""
    return (
        services,
        store,
        database,
        *((receiver,) if vitals.receiver is not None else ()),
        *((workers,) if vitals.worker is not None else ()),
        disk,
        *((pressure,) if vitals.receiver is not None else ()),
        *((parts,) if vitals.elsewhere else ()),
    )
