"""Make a study of its definition: files of its cases first, then its rows."""

from __future__ import annotations

import hashlib
import logging
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.marks.arrays import UnusableCase
from dicomnode.reader_study.candidates import made_candidate
from dicomnode.reader_study.case_file import CaseVoxels, UnusableCandidates, case_voxels
from dicomnode.reader_study.definition import StudyDefinition
from dicomnode.reader_study.node_lesion import lesion_reader
from dicomnode.reader_study.sources import CaseMaterial, NamedSource, sources_of
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError, write_durably
from dicomnode.store.tables import Lesion, ReaderStudy, ReaderStudyCase
from pipelines.errors import SegmentationError
from pipelines.networks.options import NetworkOptions
from pipelines.reader_study.presentation_order import repeated_cases

logger = logging.getLogger(__name__)

FOLDER = "reader_studies"
"""In the store."""


class NotMade(RuntimeError):
    """No study was made; says why."""


@dataclass(frozen=True)
class Made:
    """What came of a definition.

    Attributes
    ----------
    study_id : int
    cases : int
    left_out : tuple of (str, str)
        Cases without, and why.
    """

    study_id: int
    cases: int
    left_out: tuple[tuple[str, str], ...]


def make_study(
    database: Database,
    store: Path,
    definition: StudyDefinition,
    folder: Path,
    who: str,
    networks: NetworkOptions | None = None,
    on_case: Callable[[str], None] = lambda name: None,
) -> Made:
    """Compute every case and keep it; a study that is kept never changes.

    Parameters
    ----------
    database : Database
    store : Path
        The store's folder.
    definition : StudyDefinition
    folder : Path
        That its paths are relative to.
    who : str
    networks : NetworkOptions, optional
    on_case : callable, optional
        Told of each case before it is made.

    Raises
    ------
    NotMade
        If there is a study of that name, or no case can be shown.
    FileNotFoundError
        If a data set is not there.
    dicomnode.store.files.StorageError
        If a file cannot be written.
    """
    with database.read() as session:
        _refuse_twice(session, definition.name)
    place = store.absolute() / FOLDER / f"{definition.name}-{secrets.token_hex(4)}"
    rows: list[ReaderStudyCase] = []
    left_out: list[tuple[str, str]] = []
    make = partial(_make, definition, folder, networks or NetworkOptions(), place)
    try:
        for source in sources_of(definition, folder, lesion_reader(database)):
            on_case(source.name)
            try:
                rows.append(make(source, len(rows) + 1))
            except StorageError:  # of what is written, not of what is read
                raise
            except (UnusableCandidates, UnusableCase, SegmentationError, OSError) as why:
                left_out.append((source.name, str(why)))
        study_id = _keep(database, definition, who, rows, left_out)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    logger.info("readers.study_made study=%s cases=%d", definition.name, len(rows))
    return Made(study_id, len(rows), tuple(left_out))


def _make(
    definition: StudyDefinition,
    folder: Path,
    networks: NetworkOptions,
    place: Path,
    source: NamedSource,
    number: int,
) -> ReaderStudyCase:
    material = source.read()
    voxels, provenance = _voxels(definition, folder, networks, material)
    file = BytesIO()
    voxels.save(file)
    content = file.getvalue()
    path = place / f"case-{number:04}.npz"
    write_durably(path, lambda target: target.write(content))
    return ReaderStudyCase(
        number=number,
        name=material.name,
        repeated=False,
        lesion_id=material.lesion_id,
        study_instance_uid=material.study_instance_uid,
        path=str(path),
        digest=hashlib.sha256(content).hexdigest(),
        size=len(content),
        provenance=provenance,
    )


def _voxels(
    definition: StudyDefinition, folder: Path, networks: NetworkOptions, material: CaseMaterial
) -> tuple[CaseVoxels, list[dict]]:
    made = [made_candidate(one, material, folder, networks) for one in definition.candidates]
    level = definition.level if definition.display == "outline" else None
    return case_voxels(material.ct, [alpha for alpha, _ in made], level), [how for _, how in made]


def _keep(
    database: Database,
    definition: StudyDefinition,
    who: str,
    rows: list[ReaderStudyCase],
    left_out: list[tuple[str, str]],
) -> int:
    with database.write() as session:
        _refuse_twice(session, definition.name)
        for row in [row for row in rows if _is_gone(session, row)]:
            rows.remove(row)
            left_out.append((row.name, "its study was deleted meanwhile"))
            Path(row.path).unlink(missing_ok=True)
        if not rows:
            why = "; ".join(f"{name}: {why}" for name, why in left_out[:3])
            raise NotMade(f"found no case that can be shown: {why}")
        try:
            repeated = repeated_cases(definition.seed, len(rows), definition.repeats)
        except ValueError as error:
            raise NotMade(str(error)) from None
        for number, row in enumerate(rows, 1):
            row.number = number
            row.repeated = number - 1 in repeated
        study = ReaderStudy(
            name=definition.name,
            title=definition.title,
            question=definition.question,
            display=definition.display,
            asks_origin=definition.asks_origin,
            seed=definition.seed,
            readers=list(definition.readers),
            candidates=definition.about_candidates(),
            definition=definition.model_dump(mode="json", by_alias=True, exclude_none=True),
            made_by=who,
            cases=rows,
        )
        session.add(study)
        session.flush()
        return study.id


def _refuse_twice(session: Session, name: str) -> None:
    if session.scalar(select(ReaderStudy.id).where(ReaderStudy.name == name)) is not None:
        raise NotMade(f"there is a reader study {name!r} already: choose another name")


def _is_gone(session: Session, row: ReaderStudyCase) -> bool:
    """Whether the study of a case was deleted while the case was made: it must not stay then."""
    if row.lesion_id is None:
        return False
    lesion = session.get(Lesion, row.lesion_id)
    return lesion is None or lesion.soft_mask_path is None
