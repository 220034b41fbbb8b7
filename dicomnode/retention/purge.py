"""Delete a study, and leave a trail of it.

First one transaction writes the trail and takes the study out of the index; from then on nothing
counts on its files. It commits only once the audit message is on disk. Then the files go, and at
last the trail says that they are gone. Killed in between, the start goes on with the files before
it looks for any that the index does not know.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicomnode.audit import NullTrail, Outcome, Participant, StudyContent, StudyDeleted, Trail
from dicomnode.retention.standing import Promise, lesions_of, results_of, standing_of
from dicomnode.store.database import Database
from dicomnode.store.files import fsync_directory
from dicomnode.store.states import DEAD_LETTERS, DeliveryState, LesionState, StudyState
from dicomnode.store.tables import Instance, Lesion, Purge, PurgedInstance, ReaderStudyCase, Result
from dicomnode.store.verdicts import HELD_BACK

logger = logging.getLogger(__name__)

_FILES_AT_ONCE = 100


@dataclass(frozen=True)
class By:
    """Who deletes, and why: kept with the trail. No patient data."""

    who: str
    why: str


class NotPurged(RuntimeError):
    """A study was left as it is; the text says why."""


def purge_study(
    database: Database,
    study_instance_uid: str,
    by: By,
    promises: dict[str, Promise],
    states: Collection[StudyState],
    trail: Trail | None = None,
) -> Purge:
    """Delete all that was received and made of a study.

    Rows of its lesions, results and deliveries stay. What had failed is settled with it: failed
    lesions are refused, dead letters withdrawn, as `dicomnode jobs discard` does it.

    Parameters
    ----------
    database : Database
    study_instance_uid : str
    by : By
    promises : dict
        Of `promises_of`.
    states : collection of StudyState
        In which it may go; it is looked at again in the transaction that deletes.
    trail : Trail, optional
        The audit trail, which has it before anything goes.

    Returns
    -------
    Purge
        The trail.

    Raises
    ------
    NotPurged
        It is in another state by now, or not there.
    dicomnode.audit.trail.NotAudited
        The audit message cannot be written; the study is as it was.
    OSError
        A file cannot be deleted; the study is out of the index, and the next start tries again.
    """
    told: list[StudyDeleted] = []
    audit = trail or NullTrail()
    try:
        purge = _take_out(database, study_instance_uid, by, promises, states, audit, told)
    except BaseException:
        for message in told:  # it says of a deletion that did not come about
            audit.note_durably(replace(message, outcome=Outcome.SERIOUS_FAILURE))
        raise
    _finish(database, purge.id)
    logger.info(
        "study.purged study=%s state=%s instances=%d results=%d bytes=%d who=%s",
        study_instance_uid,
        purge.state.value,
        purge.instances,
        purge.results,
        purge.size,
        by.who,
    )
    return purge


def _take_out(
    database: Database,
    study_instance_uid: str,
    by: By,
    promises: dict[str, Promise],
    states: Collection[StudyState],
    audit: Trail,
    told: list[StudyDeleted],
) -> Purge:
    """Write the trail and take the study out of the index; `told` gets the audit message."""
    with database.write() as session:
        study = standing_of(session, study_instance_uid, promises)
        if study is None:
            raise NotPurged(f"study {study_instance_uid} is not here")
        if study.state is StudyState.BUSY or study.state not in states:
            raise NotPurged(f"study {study_instance_uid} is {study.state.value}: {study.why}")
        results = [result for result in results_of(session, study_instance_uid) if result.path]
        lesions = lesions_of(session, study_instance_uid)
        instances = session.scalars(
            select(Instance).where(Instance.study_instance_uid == study_instance_uid)
        ).all()
        files = [instance.path for instance in instances]
        files += [result.path for result in results]
        files += [file for lesion in lesions for file in _soft_masks(lesion)]
        cases = _reader_study_cases(session, study_instance_uid)
        files += [case.path for case in cases]
        purge = Purge(
            study_instance_uid=study_instance_uid,
            who=by.who,
            why=by.why,
            state=study.state,
            instances=len(instances),
            results=len(results),
            size=study.size,
            files=files,
        )
        session.add(purge)
        session.flush()
        session.add_all(_trail(purge, instance) for instance in instances)
        for result in results:
            _forget_file(result)
        for lesion in lesions:
            _forget_files(lesion, by)
        for case in cases:
            case.path = ""
        session.execute(delete(Instance).where(Instance.study_instance_uid == study_instance_uid))
        classes = Counter(one.sop_class_uid for one in (*instances, *results))
        message = StudyDeleted(
            Participant(by.who),
            StudyContent(study_instance_uid, tuple(sorted(classes.items()))),
            reason=by.why,
        )
        session.flush()
        audit.note_durably(message)
        told.append(message)
    return purge


def finish_purges(database: Database) -> int:
    """Delete the files of studies whose deletion was broken off. Call at start, before receiving.

    Returns
    -------
    int
        Studies whose files are gone now.

    Raises
    ------
    OSError
        A file cannot be deleted.
    """
    with database.read() as session:
        begun = session.scalars(select(Purge.id).where(Purge.finished_at.is_(None))).all()
    for purge_id in begun:
        _finish(database, purge_id)
        logger.info("purge.finished purge=%d", purge_id)
    return len(begun)


def being_deleted(database: Database) -> set[str]:
    """Paths of files whose studies were taken out of the index, and that may still be there."""
    with database.read() as session:
        unfinished = session.scalars(select(Purge.files).where(Purge.finished_at.is_(None)))
        return {file for files in unfinished for file in files}


def _finish(database: Database, purge_id: int) -> None:
    with database.read() as session:
        files = session.get_one(Purge, purge_id).files
    for start in range(0, len(files), _FILES_AT_ONCE):
        chunk = files[start : start + _FILES_AT_ONCE]
        # Writing, so that nothing is indexed meanwhile: an object that has come again under the
        # same name must keep its file.
        with database.write() as session:
            kept = _named_again(session, chunk)
            for file in chunk:
                if file not in kept:
                    Path(file).unlink(missing_ok=True)
    folders = {Path(file).parent for file in files}
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            fsync_directory(folder)
    for folder in sorted(folders | {folder.parent for folder in folders}, reverse=True):
        _remove_if_empty(folder)
    with database.write() as session:
        purge = session.get_one(Purge, purge_id)
        purge.files = []
        purge.finished_at = time.time()


def _named_again(session: Session, files: Collection[str]) -> set[str]:
    """Those of the files that a row names."""
    named: set[str] = set()
    columns = (Instance.path, Result.path, Lesion.soft_mask_path, ReaderStudyCase.path)
    for column in columns:
        named.update(session.scalars(select(column).where(column.in_(files))))
    return named


def _remove_if_empty(folder: Path) -> None:
    """A folder of a series or study; those that every store has stay, empty or not."""
    if "." in folder.name:  # a UID
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _trail(purge: Purge, instance: Instance) -> PurgedInstance:
    return PurgedInstance(
        purge_id=purge.id,
        sop_instance_uid=instance.sop_instance_uid,
        series_instance_uid=instance.series_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        calling_ae=instance.calling_ae,
        size=instance.size,
        received_at=instance.received_at,
    )


def _forget_file(result: Result) -> None:
    result.path = ""
    for delivery in result.deliveries:
        if delivery.state in (*DEAD_LETTERS, *HELD_BACK):
            delivery.state = DeliveryState.WITHDRAWN
            delivery.confirmation = None


def _soft_masks(lesion: Lesion) -> Iterator[str]:
    """The files of a lesion's soft mask, and of those that it had before."""
    if lesion.soft_mask_path:
        path = Path(lesion.soft_mask_path)
        named = (f"{lesion.mark_key}.npz", f"{lesion.mark_key}-*.npz")  # as `lesion_queue` does
        found = (file for name in named for file in path.parent.glob(name))
        yield from dict.fromkeys(map(str, (path, *found)))


def _reader_study_cases(session: Session, uid: str) -> Sequence[ReaderStudyCase]:
    """Those whose voxels came from a study. What readers answered of them stays."""
    return session.scalars(
        select(ReaderStudyCase).where(
            ReaderStudyCase.study_instance_uid == uid, ReaderStudyCase.path != ""
        )
    ).all()


def _forget_files(lesion: Lesion, by: By) -> None:
    """Without slices it takes part in nothing that comes later."""
    lesion.soft_mask_path = None
    lesion.slices = None
    for verdict in lesion.verdicts:
        verdict.mended = None
    if lesion.state is LesionState.FAILED:
        lesion.state = LesionState.REFUSED
        lesion.attempts = 0
        lesion.reason = f"its study was deleted by {by.who}; it had failed: {lesion.reason}"
