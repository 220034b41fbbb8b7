"""Which files of the journal are let go, by age: never silently, and never what was not sent."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from dicomnode.audit.files import HEAD, SENT, DamagedMark, Mark, lines, segments
from dicomnode.audit.record import BadRecord, Forgotten, Record, decode
from dicomnode.audit.writer import AuditTrail
from dicomnode.store.files import fsync_directory

logger = logging.getLogger(__name__)

_DAY_S = 86400.0


def forget_old(trail: AuditTrail, keep_days: float, is_sent: bool, at: float | None = None) -> int:
    """Let go of files whose last record is older than `keep_days`; 0 keeps all.

    A record says first what goes, with the hash of its last record, so that the chain can be
    followed from there. The file that is written to stays, and so does all from the first file on
    that the collector does not have, or that cannot be read.

    Parameters
    ----------
    trail : AuditTrail
    keep_days : float
    is_sent : bool
        Whether there is a collector, which must have what goes.
    at : float, optional
        Seconds since 1970; now unless given.

    Returns
    -------
    int
        Files that are gone.

    Raises
    ------
    OSError
    """
    if not keep_days:
        return 0
    before = (time.time() if at is None else at) - keep_days * _DAY_S
    folder = trail.folder
    try:
        head = Mark.read(folder / HEAD)
        sent = Mark.read(folder / SENT) if is_sent else head
    except DamagedMark:
        return 0
    if head is None or sent is None:
        return 0
    gone = 0
    for path in segments(folder):
        if path.name >= head.segment:
            break
        ends = _ends(path)
        if ends is None or ends[1].at > before or ends[1].number > sent.number:
            break
        first, last = ends
        words = (
            f"{path.name} with records {first.number} to {last.number} is let go after "
            f"{keep_days:g} days; the last one has the hash {last.hash}"
        )
        trail.forget(Forgotten(path.name, first.number, last.number, last.hash), words)
        path.unlink()
        fsync_directory(folder)
        logger.info(
            "audit.forgotten file=%s first=%d last=%d", path.name, first.number, last.number
        )
        gone += 1
    return gone


def _ends(path: Path) -> tuple[Record, Record] | None:
    """The first and the last record of a file; None where one of them cannot be read."""
    first = last = b""
    for line, _ in lines(path):
        first, last = first or line, line
    try:
        return decode(first), decode(last)
    except BadRecord:
        return None
