"""A study that is deleted is gone as a whole and leaves its trail, also over a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.explain import explain
from dicomnode.jobs.by_hand import By as Hand
from dicomnode.jobs.by_hand import Chosen, act
from dicomnode.receive.intake import Refused
from dicomnode.receive.reconcile import reconcile
from dicomnode.retention import purge as purging
from dicomnode.retention.purge import (
    By,
    NotPurged,
    being_deleted,
    finish_purges,
    purge_study,
)
from dicomnode.store.database import Database
from dicomnode.store.lock import FilesLock
from dicomnode.store.states import DeliveryState, JobAction, LesionState, StudyState
from dicomnode.store.tables import Delivery, Instance, Lesion, Purge, PurgedInstance, Result
from tests.dicomnode.backup.kept import KeptStore
from tests.dicomnode.killed import kill_me, killed_in

STUDY = "1.2.3"
BY = By("somebody", "it is old")
ANY = tuple(StudyState)


@pytest.fixture
def store(tmp_path):
    store = KeptStore(tmp_path / "store")
    for number in range(1, 5):
        store.receive(f"1.2.3.{number}")
    store.make("1.2.3.1", deliveries=[DeliveryState.ACCEPTED])
    store.receive("1.2.8.1", study="1.2.8")
    yield store
    store.close()


def files(store) -> set[str]:
    return {p.name for p in store.root.rglob("*") if p.suffix in (".dcm", ".npz")}


def rows(store, table) -> list:
    with store.database.read() as session:
        return list(session.scalars(select(table)))


def test_files_and_index_go_and_the_trail_stays(store):
    purge = purge_study(store.database, STUDY, BY, {}, ANY)
    assert files(store) == {"1.2.8.1.dcm"}
    assert [row.sop_instance_uid for row in rows(store, Instance)] == ["1.2.8.1"]
    assert (purge.instances, purge.results, purge.state) == (4, 1, StudyState.DELIVERED)
    (trail,) = rows(store, Purge)
    assert (trail.who, trail.why, trail.files) == ("somebody", "it is old", [])
    assert trail.finished_at is not None
    assert {row.sop_instance_uid for row in rows(store, PurgedInstance)} == {
        f"1.2.3.{number}" for number in range(1, 5)
    }
    assert len(rows(store, Lesion)) == len(rows(store, Result)) == len(rows(store, Delivery)) == 1
    # No folder of it is left, and those of every store are.
    assert not (store.root / "instances" / STUDY).exists()
    assert not (store.root / "results" / STUDY).exists()
    assert (store.root / "instances").is_dir()
    assert (store.root / "soft_masks").is_dir()


@pytest.mark.parametrize("uid", [STUDY, "1.2.3.4", "1.2.3.2"])
def test_explain_tells_of_study_series_and_object_that_are_gone(store, uid):
    purge_study(store.database, STUDY, BY, {}, ANY)
    with store.database.read() as session:
        said = "\n".join(explain(session, uid))
    assert "deleted" in said
    assert "by somebody, because: it is old" in said


@pytest.mark.parametrize("now", [DeliveryState.QUEUED, DeliveryState.SENT])
def test_what_is_busy_stays_whoever_asks(store, now):
    with store.database.write() as session:
        session.query(Delivery).one().state = now
    before = files(store)
    with pytest.raises(NotPurged, match="1 deliveries are not finished"):
        purge_study(store.database, STUDY, BY, {}, ANY)
    assert files(store) == before
    assert rows(store, Purge) == []


def test_what_has_changed_since_it_was_planned_stays(store):
    with pytest.raises(NotPurged, match="is delivered"):
        purge_study(store.database, STUDY, BY, {}, (StudyState.UNMARKED,))
    assert len(rows(store, Instance)) == 5


def test_what_failed_is_settled_with_it(store):
    with store.database.write() as session:
        session.query(Delivery).one().state = DeliveryState.EXHAUSTED
        session.add(
            Lesion(mark_key="f", mark={}, source_sop_instance_uid="1.2.3.2", reason="it broke",
                   study_instance_uid=STUDY, state=LesionState.FAILED)
        )  # fmt: skip
    purge_study(store.database, STUDY, BY, {}, ANY)
    assert rows(store, Delivery)[0].state is DeliveryState.WITHDRAWN
    failed = rows(store, Lesion)[1]
    assert failed.state is LesionState.REFUSED
    assert "it broke" in failed.reason
    with store.database.write() as session:
        changes = act(session, JobAction.RETRY, Chosen((2,), (1,)), Hand("me", ""))
    assert [change.why_not for change in changes] == [
        "its study was deleted: send its mark and CT again"
    ] * 2


@pytest.mark.parametrize("after", [0, 3])
def test_a_deletion_that_was_killed_is_finished_and_nothing_comes_back(store, after):
    before = files(store)
    unlink, gone = Path.unlink, []

    def killed(path, **more):
        if len(gone) == after:
            kill_me()
        gone.append(path)
        unlink(path, **more)

    def work():
        Path.unlink = killed
        purge_study(Database(store.url), STUDY, BY, {}, ANY)

    killed_in(work)
    assert len(files(store)) == len(before) - after
    # Nothing counts on what is left, and whoever asks is told.
    assert [row.sop_instance_uid for row in rows(store, Instance)] == ["1.2.8.1"]
    assert rows(store, Purge)[0].finished_at is None
    assert finish_purges(store.database) == 1
    assert files(store) == {"1.2.8.1.dcm"}
    assert rows(store, Purge)[0].finished_at is not None
    assert finish_purges(store.database) == 0


def test_a_receiver_that_starts_in_the_midst_of_a_deletion_brings_nothing_back(store, monkeypatch):
    """The worker deletes in another process, which goes on or was killed."""
    found = []
    finish = purging._finish

    def late(database, purge_id):
        found.append(reconcile(store.files, store.index))
        found.append(
            reconcile(store.files, store.index, being_deleted=lambda: being_deleted(database))
        )
        finish(database, purge_id)

    monkeypatch.setattr(purging, "_finish", late)
    purge_study(store.database, STUDY, BY, {}, ANY)
    # Told of it the receiver does not open them, which here are no objects that can be read.
    assert [one.unreadable for one in found] == [4, 0]
    assert being_deleted(store.database) == set()


def test_an_object_that_came_again_meanwhile_keeps_its_file(store, monkeypatch):
    """After the index was cleared, before the files went."""
    finish = purging._finish
    again = []

    def late(database, purge_id):
        again.append(store.receive("1.2.3.2"))
        finish(database, purge_id)

    monkeypatch.setattr(purging, "_finish", late)
    purge_study(store.database, STUDY, BY, {}, ANY)
    assert again[0].read_bytes().endswith(b"data set")
    assert files(store) == {"1.2.8.1.dcm", "1.2.3.2.dcm"}


@pytest.mark.parametrize("written", [False, True])
def test_an_object_whose_file_goes_while_it_comes_again_is_not_acknowledged(
    store, monkeypatch, written
):
    from dicomnode.receive import intake

    class Held:
        size, data_offset = 0, 0

        def fileno(self):
            return 0

        def keep(self, *_):
            from dicomnode.store.part_file import StoredFile

            return StoredFile(store.root / "gone.dcm", 1, written)

    header = type("Header", (), dict.fromkeys(
        ("study_instance_uid", "series_instance_uid", "sop_instance_uid"), "1.2.3"
    ))  # fmt: skip
    monkeypatch.setattr(intake, "read_data_set", lambda *_, **__: header)
    monkeypatch.setattr(intake, "FileBytes", lambda *_: None)
    index = type("Index", (), {"add": lambda *_: None})()
    announced = intake.Announced("1.2", "1.2.3", "1.2.840.10008.1.2.1", "A", "B")
    with pytest.raises(Refused, match="being deleted") as refused:
        intake.keep_file(Held(), announced, index)
    assert refused.value.status == 0xA700


def test_what_comes_again_later_is_kept_again(store):
    purge_study(store.database, STUDY, BY, {}, ANY)
    path = store.receive("1.2.3.2")
    assert path.exists()
    purge_study(store.database, STUDY, BY, {}, ANY)
    assert len(rows(store, Purge)) == 2
    assert not path.exists()


def command(tmp_path, store, *arguments: str, retention: str = ""):
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\npath = "{store.root}"\n[retention]\n{retention}\n')
    return CliRunner().invoke(app, ["purge", "-c", str(config), *arguments])


OLD = "delivered_days = 0.0000001\nat_least_h = 0"


def test_a_dry_run_lists_and_deletes_nothing(tmp_path, store):
    before = files(store)
    said = command(tmp_path, store, "--dry-run", "--json", retention=OLD)
    assert said.exit_code == 0
    assert '"study_instance_uid": "1.2.3"' in said.stdout
    assert "1.2.8" not in said.stdout
    assert files(store) == before
    assert "lets nothing go" in command(tmp_path, store, "--dry-run").stdout


def test_purge_deletes_what_the_configuration_lets_go(tmp_path, store):
    asked = command(tmp_path, store, retention=OLD)
    assert asked.exit_code == 1  # nobody said yes
    assert len(files(store)) == 7
    assert command(tmp_path, store, "--yes", retention=OLD).exit_code == 0
    assert files(store) == {"1.2.8.1.dcm"}
    assert rows(store, Purge)[0].why.startswith("delivered for")


def test_a_study_is_deleted_by_name_with_the_reason(tmp_path, store):
    done = command(tmp_path, store, "--study", "1.2.8", "--why", "asked for", "--yes")
    assert done.exit_code == 0
    (trail,) = rows(store, Purge)
    assert (trail.study_instance_uid, trail.why) == ("1.2.8", "by hand: asked for")
    assert command(tmp_path, store, "--study", "1.2.9", "--yes").exit_code == 2


def test_nothing_is_deleted_while_a_backup_is_made(tmp_path, store):
    with FilesLock(store.root):
        refused = command(tmp_path, store, "--yes", retention=OLD)
    assert (refused.exit_code, "another process copies" in refused.stderr) == (2, True)
    assert len(files(store)) == 7
