"""Whether the node has what it is asked about: in the index, and on disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.commit.information import FailureReason, Reference
from dicomnode.faults import describe_fault
from dicomnode.store.tables import Instance

logger = logging.getLogger(__name__)

_CHUNK = 500


def failures(
    session: Session, references: Sequence[Reference]
) -> Iterator[tuple[Reference, FailureReason]]:
    """Yield what cannot be committed, with the reason.

    An object is committed if it is indexed under its SOP class, and its file is there, as long as
    when it was received, and says that it is this object. A received file is fsynced before it is
    indexed and never changed, so that nothing more is read of it.
    """
    for start in range(0, len(references), _CHUNK):
        chunk = references[start : start + _CHUNK]
        rows = session.execute(
            select(
                Instance.sop_instance_uid, Instance.sop_class_uid, Instance.path, Instance.size
            ).where(Instance.sop_instance_uid.in_([r.sop_instance_uid for r in chunk]))
        )
        indexed = {uid: (sop_class, Path(path), size) for uid, sop_class, path, size in rows}
        for reference in chunk:
            reason = _failure(reference, indexed.get(reference.sop_instance_uid))
            if reason is not None:
                yield reference, reason


def _failure(reference: Reference, indexed: tuple[str, Path, int] | None) -> FailureReason | None:
    if indexed is None:
        return FailureReason.NO_SUCH_OBJECT
    sop_class_uid, path, size = indexed
    if sop_class_uid != reference.sop_class_uid:
        return FailureReason.CLASS_INSTANCE_CONFLICT
    try:
        whole = (
            path.stat().st_size == size
            and read_file_meta_info(path).MediaStorageSOPInstanceUID == reference.sop_instance_uid
        )
    except FileNotFoundError:
        whole = False
    except Exception as error:  # a disk that fails, or a file that is none any more
        logger.error(
            "commitment.unreadable sop=%s %s", reference.sop_instance_uid, describe_fault(error)
        )
        return FailureReason.PROCESSING_FAILURE
    if not whole:
        logger.error("commitment.file_lost sop=%s", reference.sop_instance_uid)
        return FailureReason.NO_SUCH_OBJECT
    return None
