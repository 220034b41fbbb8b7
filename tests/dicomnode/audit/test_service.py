"""What the trail of a node says of itself: to administrators, to the doctor, to a backup."""

from __future__ import annotations

import time
from functools import partial

import pytest

from dicomnode.audit import sender as sender_module
from dicomnode.audit import service as service_module
from dicomnode.audit.files import SENT, Mark, records, segments
from dicomnode.audit.keeping import forget_old
from dicomnode.audit.service import AuditService
from dicomnode.audit.verify import verify
from dicomnode.backup import restore, save
from dicomnode.doctor.audited import look_at_audit
from dicomnode.doctor.finding import Verdict
from dicomnode.metrics.audited import AuditMetrics
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.timing import CallScheduler
from tests.dicomnode.audit.collector import StandInCollector
from tests.dicomnode.audit.said import EVERY_KIND


@pytest.fixture
def scheduler():
    found = CallScheduler()
    found.start()
    yield found
    found.shutdown()


@pytest.fixture
def made(tmp_path):
    """Give a service with settings; the store has a database."""
    (tmp_path / "store").mkdir()
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    database.upgrade()

    def make(scheduler, keeps=True, **audit):
        settings = NodeSettings(
            store={"path": tmp_path / "store"},
            audit=audit,
            retry={"first_wait_s": 0.1, "factor": 1.0},
        )
        return settings, AuditService(settings, database, scheduler, keeps)

    yield make
    database.close()


def verdicts(settings, ask_peers=True):
    return {f.check: f.verdict for f in look_at_audit(settings, ask_peers)}


def test_a_collector_that_takes_nothing_is_an_alert_and_a_metric(made, scheduler, until):
    with StandInCollector() as collector:
        port = collector.port  # nobody listens there after this
    where = {"host": "127.0.0.1", "port": port, "transport": "tcp"}
    settings, service = made(scheduler, late_minutes=0.001, collector=where)
    service.start()
    until(lambda: service.standing().unsent == 1, "the start")
    until(lambda: [c.name for c in service.conditions()] == ["audit trail not sent"], "an alert")
    values = {m.name: m.samples[0].value for m in AuditMetrics(service).collect()}
    assert values["dicomnode_audit_unsent"] == 1
    assert values["dicomnode_audit_oldest_unsent_seconds"] > 0.05
    found = verdicts(settings)
    assert found["audit trail"] is Verdict.PASS
    assert found["audit messages"] is Verdict.WARN
    assert found[f"audit collector 127.0.0.1:{port}"] is Verdict.FAIL
    with StandInCollector(port=port) as collector:
        until(lambda: service.standing().unsent == 0, "what waited")
        assert service.conditions() == []
        assert verdicts(settings)[f"audit collector 127.0.0.1:{port}"] is Verdict.PASS
        service.stop()
        until(lambda: len(collector.messages) == 2, "start and stop")


def test_a_disk_that_takes_nothing_is_an_alert(made, scheduler, monkeypatch, until):
    def full(self, entries):
        raise OSError(28, "no space left")

    _, service = made(scheduler, late_minutes=0.0001)
    with monkeypatch.context() as broken:
        broken.setattr("dicomnode.audit.journal.Journal.append", full)
        service.start()
        until(lambda: service.conditions(), "an alert")
        (condition,) = service.conditions()
        assert condition.name == "audit trail not written"
        assert service.standing().waiting == 1
    service.stop()
    assert service.conditions() == []


def test_the_doctor_finds_what_was_changed_and_what_is_not_there(made, scheduler, tmp_path):
    settings, service = made(scheduler)
    assert next(look_at_audit(settings, False)).words.startswith("the chain")
    service.start()
    service.trail.note(EVERY_KIND["login"])
    service.stop()
    path = segments(settings.store.audit)[-1]
    path.write_bytes(path.read_bytes().replace(b"anna", b"otto"))
    (finding,) = look_at_audit(settings, False)
    assert (finding.verdict, "record 2" in finding.words) == (Verdict.FAIL, True)
    off, _ = made(scheduler, enabled=False)
    assert verdicts(off) == {"audit trail": Verdict.WARN}
    nowhere = settings.model_copy(
        update={"store": settings.store.model_copy(update={"path": tmp_path / "elsewhere"})}
    )
    assert verdicts(nowhere) == {"audit trail": Verdict.WARN}


def test_old_files_are_let_go_by_the_service(made, scheduler, monkeypatch, until):
    settings, service = made(scheduler, keep_days=1, segment_mb=1e-6)
    journal = service.trail
    for _ in range(3):
        journal.note_durably(EVERY_KIND["received"])
    later = time.time() + 3 * 86400
    forget = partial(forget_old, at=later)
    monkeypatch.setattr(service_module, "forget_old", forget)
    service.start()
    # The file that is written to stays: the third, or by then the one with the start.
    until(lambda: verify(settings.store.audit).forgotten in (2, 3), "what is old")
    service.stop()
    assert verify(settings.store.audit).whole


def test_one_process_sends_what_all_write(made, scheduler, monkeypatch, until):
    monkeypatch.setattr(sender_module, "_LOOK_EVERY_S", 0.1)
    with StandInCollector() as collector:
        where = {"host": "127.0.0.1", "port": collector.port, "transport": "tcp"}
        _, keeping = made(scheduler, collector=where)
        settings, writing = made(scheduler, keeps=False, collector=where)
        assert keeping.threads == ("audit", "audit-keeper", "audit-sender")
        assert writing.threads == ("audit",)
        keeping.start()
        writing.start()
        writing.trail.note(EVERY_KIND["received"])
        until(lambda: len(collector.messages) == 3, "two starts, and what the other one wrote")
        writing.stop()
        until(lambda: len(collector.messages) == 4, "its end")
        keeping.stop()
    found = verify(settings.store.audit)
    assert (found.whole, found.records) == (True, 5)


def test_a_backup_has_the_trail_and_what_is_restored_is_whole(made, scheduler, tmp_path):
    settings, service = made(scheduler)
    service.start()
    for message in EVERY_KIND.values():
        service.trail.note(message)
    service.trail.note_durably(EVERY_KIND["deleted"])
    (settings.store.audit / "torn-1").write_bytes(b"half a rec")
    *_, (_, mark) = records(settings.store.audit, Mark())
    mark.write(settings.store.audit / SENT)
    save(settings.store.url, settings.store.path, None, tmp_path / "backup")
    service.stop()
    again = NodeSettings(store={"path": tmp_path / "again"})
    restored = restore(tmp_path / "backup", again.store.url, again.store.path)
    assert restored.audit_breaks == ()
    found = verify(again.store.audit)
    assert (found.whole, found.last, found.hash) == (True, mark.number, mark.hash)
    assert (again.store.audit / "torn-1").read_bytes() == b"half a rec"
    assert not (again.store.audit / SENT).exists()  # rather twice than not at all
