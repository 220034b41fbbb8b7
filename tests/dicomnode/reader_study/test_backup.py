"""Reader studies in backups, and backups of versions that had none."""

from __future__ import annotations

from pathlib import Path

import alembic.command

from dicomnode.backup import restore, save
from dicomnode.reader_study.answering import Asked, answer
from dicomnode.reader_study.case_file import CaseVoxels
from dicomnode.reader_study.ending import delete_study
from dicomnode.reader_study.taking_part import begin, find_study, seen
from dicomnode.store.database import Database, alembic_configuration
from tests.dicomnode.reader_study.small import small_study


def url(store: Path) -> str:
    return f"sqlite:///{store / 'node.sqlite'}"


def test_a_study_comes_back_with_its_images_and_answers_to_another_place(tmp_path):
    study = small_study(tmp_path, cases=2)
    begin(study.database, 1, "anna")
    with study.database.read() as session:
        first = find_study(session, 1).presentations[0]
    seen(study.database, first.id)
    answer(study.database, 1, "anna", 1, Asked("A"))
    saved = save(url(study.store), study.store, None, tmp_path / "backup")
    assert saved.missing == 0
    study.database.close()
    moved = tmp_path / "moved"
    restore(tmp_path / "backup", url(moved), moved)
    database = Database(url(moved))
    with database.read() as session:
        found = find_study(session, 1)
        paths = [Path(case.path) for case in found.cases]
        assert len(found.presentations[0].answers) == 1
    assert all(path.is_relative_to(moved) for path in paths)
    assert all(CaseVoxels.load(path).alpha.any() for path in paths)
    database.close()


def test_a_backup_of_before_there_were_reader_studies_comes_back_elsewhere(tmp_path):
    study = small_study(tmp_path, cases=1)
    delete_study(study.database, study.store, "eggs-and-matte")
    study.database.close()
    alembic.command.downgrade(alembic_configuration(url(study.store)), "0012")
    save(url(study.store), study.store, None, tmp_path / "backup")
    moved = tmp_path / "moved"
    assert restore(tmp_path / "backup", url(moved), moved).moved
    database = Database(url(moved))
    database.upgrade()
    with database.read() as session:
        assert (
            session.connection().exec_driver_sql("SELECT count(*) FROM reader_study").scalar() == 0
        )
    database.close()
