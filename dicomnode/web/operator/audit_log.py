"""The audit trail, the newest messages first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicomnode.audit.told import Told, newest_records, told

MOST = 200


@dataclass(frozen=True)
class AuditLog:
    """What the page shows.

    Attributes
    ----------
    kept : bool
        Whether there is a trail at all.
    study : str
        The Study Instance UID that is asked for; empty for all.
    most : int
        So many at most.
    rows : tuple of Told
        The newest first.
    """

    kept: bool
    study: str
    most: int
    rows: tuple[Told, ...]


def read_audit_log(folder: Path, study: str) -> AuditLog:
    """Read the newest messages of a journal.

    Parameters
    ----------
    folder : Path
    study : str
        Only those that name this Study Instance UID; empty for all.

    Raises
    ------
    OSError
    """
    if not folder.is_dir():
        return AuditLog(False, study, MOST, ())
    found = newest_records(folder, MOST, study)
    return AuditLog(True, study, MOST, tuple(told(record) for record in reversed(found)))
