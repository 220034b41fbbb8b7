"""Closing a study, and deleting one."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path

from sqlalchemy import delete, select

from dicomnode.reader_study.taking_part import NotThere, find_study
from dicomnode.store.database import Database
from dicomnode.store.lock import FilesLock
from dicomnode.store.tables import (
    ReaderStudy,
    ReaderStudyAnswer,
    ReaderStudyCase,
    ReaderStudyPresentation,
)

logger = logging.getLogger(__name__)


def close(database: Database, study_id: int, who: str) -> bool:
    """Take no more answers, for good: whoever has seen results is no longer blind.

    Returns
    -------
    bool
        Whether it was open.

    Raises
    ------
    NotThere
    """
    with database.write() as session:
        study = find_study(session, study_id)
        if study.closed_at is not None:
            return False
        study.closed_at, study.closed_by = time.time(), who
        name = study.name
    logger.info("readers.study_closed study=%s", name)
    return True


def delete_study(database: Database, store: Path, name: str) -> None:
    """Delete a study with all that readers answered, and the files of its cases.

    The rows go first: a file that is left, should this be broken off, is named by nothing, and the
    other way round a study would lack its images.

    Raises
    ------
    NotThere
    dicomnode.store.lock.StoreInUse
        If files are being copied, such as by a backup.
    OSError
        If a file cannot be deleted.
    """
    with FilesLock(store):
        with database.write() as session:
            study = session.scalar(select(ReaderStudy).where(ReaderStudy.name == name))
            if study is None:
                raise NotThere(f"found no reader study {name!r}")
            files = [Path(case.path) for case in study.cases if case.path]
            shown = select(ReaderStudyPresentation.id).where(
                ReaderStudyPresentation.reader_study_id == study.id
            )
            session.execute(
                delete(ReaderStudyAnswer).where(ReaderStudyAnswer.presentation_id.in_(shown))
            )
            for kind in (ReaderStudyPresentation, ReaderStudyCase):
                session.execute(delete(kind).where(kind.reader_study_id == study.id))
            session.execute(delete(ReaderStudy).where(ReaderStudy.id == study.id))
        for file in files:
            file.unlink(missing_ok=True)
        for folder in {file.parent for file in files}:
            with contextlib.suppress(OSError):  # something else lies there
                folder.rmdir()
    logger.info("readers.study_deleted study=%s files=%d", name, len(files))
