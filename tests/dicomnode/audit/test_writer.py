"""What is noted is written, in order, by somebody else, and nothing is lost without a word."""

from __future__ import annotations

import threading
import time
from xml.etree import ElementTree

import pytest

from dicomnode.audit import (
    Action,
    Alert,
    NullTrail,
    Outcome,
    Participant,
    SecurityAlert,
    StudyContent,
    StudyDeleted,
)
from dicomnode.audit import transfers as transfers_module
from dicomnode.audit import writer as writer_module
from dicomnode.audit.files import Mark, records, segments
from dicomnode.audit.keeping import forget_old
from dicomnode.audit.repeats import Repeats
from dicomnode.audit.trail import NotAudited
from dicomnode.audit.verify import verify
from dicomnode.audit.writer import AuditTrail
from tests.dicomnode.audit.said import ANNA, CT, EVERY_KIND, MODALITY, SOURCE, SR


def read(folder):
    return [ElementTree.fromstring(record.xml) for record, _ in records(folder, Mark())]


def names(folder) -> list[str]:
    return [document.find(".//EventID").get("originalText") for document in read(folder)]


@pytest.fixture
def trail(tmp_path):
    found = AuditTrail(tmp_path / "audit", SOURCE, 2**20, flush_s=0.01)
    found.start()
    yield found
    found.stop()


def test_what_is_noted_is_on_disk_after_a_stop_in_order(tmp_path):
    trail = AuditTrail(tmp_path / "audit", SOURCE, 2**20)
    trail.start()
    for message in EVERY_KIND.values():
        trail.note(message)
    trail.stop()
    assert len(names(trail.folder)) == len(EVERY_KIND)
    assert names(trail.folder)[:4] == [
        "Application Activity",
        "Application Activity",
        "Audit Log Used",
        "Begin Transferring DICOM Instances",
    ]
    assert verify(trail.folder).whole


def test_a_durable_note_is_on_disk_at_once_behind_what_was_noted_before(tmp_path):
    trail = AuditTrail(tmp_path / "audit", SOURCE, 2**20)  # not started: as a command has it
    trail.note(EVERY_KIND["login"])
    trail.note_durably(StudyDeleted(ANNA, StudyContent("1.2.3")))
    assert names(trail.folder) == ["User Authentication", "DICOM Study Deleted"]


def test_a_disk_that_takes_nothing_loses_nothing_and_is_said(tmp_path, monkeypatch, caplog, until):
    caplog.set_level("INFO", "dicomnode")
    monkeypatch.setattr(writer_module, "_PAUSE_AFTER_FAULT_S", 0.05)
    trail = AuditTrail(tmp_path / "audit", SOURCE, 2**20, flush_s=0.01)
    trail.start()

    def full(self, entries):
        raise OSError(28, "no space left")

    with monkeypatch.context() as broken:
        broken.setattr("dicomnode.audit.journal.Journal.append", full)
        trail.note(EVERY_KIND["login"])
        until(lambda: trail.failing_since is not None, "the failure")
        trail.note(EVERY_KIND["received"])
        with pytest.raises(NotAudited, match="cannot be written"):
            trail.note_durably(EVERY_KIND["deleted"])
        assert trail.waiting == 2
    until(lambda: trail.waiting == 0, "the rest")
    until(lambda: trail.failing_since is None, "the end of the failure")
    trail.stop()
    assert names(trail.folder) == ["User Authentication", "DICOM Instances Transferred"]
    assert "audit.failed waiting=1" in caplog.text
    assert "audit.resumed lost=0" in caplog.text


def test_what_cannot_be_written_before_a_stop_is_said_to_be_lost(tmp_path, monkeypatch, caplog):
    def full(self, entries):
        raise OSError(28, "no space left")

    monkeypatch.setattr("dicomnode.audit.journal.Journal.append", full)
    trail = AuditTrail(tmp_path / "audit", SOURCE, 2**20, flush_s=0.01)
    trail.start()
    trail.note(EVERY_KIND["login"])
    trail.stop()
    assert "audit.lost messages=1" in caplog.text


def test_what_does_not_fit_into_memory_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_MOST_WAITING", 3)
    trail = AuditTrail(tmp_path / "audit", SOURCE, 2**20)
    for _ in range(5):
        trail.note(EVERY_KIND["received"])
    trail.note_durably(EVERY_KIND["login"])
    assert names(trail.folder)[3:] == ["Security Alert", "User Authentication"]
    alert = read(trail.folder)[3]
    assert alert.find(".//EventTypeCode").get("originalText") == "Audit Recording Stopped"


def test_a_message_that_cannot_be_told_holds_up_no_other(trail, caplog):
    trail.note(object())
    trail.note(EVERY_KIND["login"])
    trail.stop()
    assert names(trail.folder) == ["User Authentication"]
    assert "audit.untold message=object" in caplog.text


def test_an_association_is_one_message_for_each_study_and_outcome(trail):
    over = trail.transfers(MODALITY, sends=True)
    for _ in range(400):
        over.went("1.2.3", CT)
    over.went("1.2.3", SR)
    over.went("1.2.4", CT, Action.READ)
    over.went("", CT, outcome=Outcome.SERIOUS_FAILURE, words="refused with status 0xA700")
    over.end()
    over.end()
    trail.stop()
    documents = read(trail.folder)
    told = [
        (
            document.find("EventIdentification").get("EventActionCode"),
            document.find("EventIdentification").get("EventOutcomeIndicator"),
            document.find("ParticipantObjectIdentification").get("ParticipantObjectID"),
            {c.get("UID"): c.get("NumberOfInstances") for c in document.iter("SOPClass")},
        )
        for document in documents
    ]
    assert told == [
        ("C", "0", "1.2.3", {CT: "400", SR: "1"}),
        ("R", "0", "1.2.4", {CT: "1"}),
        ("C", "8", "unknown", {CT: "1"}),
    ]
    assert documents[2].find(".//EventOutcomeDescription").text == "refused with status 0xA700"


def test_what_takes_long_is_told_when_it_begins_and_when_it_pauses(trail, monkeypatch, until):
    monkeypatch.setattr(transfers_module, "_BEGUN_AFTER_S", 0.05)
    monkeypatch.setattr(writer_module, "_TICK_S", 0.05)
    over = trail.transfers(MODALITY, sends=True)
    over.went("1.2.3", CT)
    until(lambda: len(names(trail.folder)) == 1, "the beginning")
    monkeypatch.setattr(transfers_module, "_QUIET_S", 0.05)
    until(lambda: len(names(trail.folder)) == 2, "the pause")
    over.went("1.2.3", CT)
    over.end()
    trail.stop()
    assert names(trail.folder) == [
        "Begin Transferring DICOM Instances",
        "DICOM Instances Transferred",
        "DICOM Instances Transferred",
    ]


def test_many_threads_lose_no_instance(trail):
    over = trail.transfers(MODALITY, sends=True)
    threads = [
        threading.Thread(target=lambda: [over.went("1.2.3", CT) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    over.end()
    trail.stop()
    counts = [
        int(c.get("NumberOfInstances")) for d in read(trail.folder) for c in d.iter("SOPClass")
    ]
    assert sum(counts) == 2000


def alert(number):
    who = Participant("unknown", f"10.0.0.{number}")
    return SecurityAlert(Alert.NODE_AUTHENTICATION, "a TLS handshake failed: version", who)


def test_what_knocks_a_thousand_times_is_told_once_a_minute():
    repeats = Repeats()
    assert [repeats.admits(alert(1), 100.0 + i) for i in range(50)] == [True] + [False] * 49
    assert repeats.admits(alert(2), 110.0)
    assert repeats.due(159.0) == []
    (told,) = repeats.due(160.0)
    assert told.words == "a TLS handshake failed: version (49 more within a minute)"
    assert repeats.due(200.0) == []
    assert not repeats.pending
    assert repeats.admits(alert(1), 200.0)
    # A study that was looked at twice was looked at twice.
    assert all(repeats.admits(EVERY_KIND["looked at"], 200.0) for _ in range(3))
    assert all(repeats.admits(EVERY_KIND["login"], 200.0) for _ in range(3))


def test_a_thousand_addresses_do_not_fill_the_memory():
    repeats = Repeats()
    admitted = sum(repeats.admits(alert(number), 1.0) for number in range(1000))
    assert admitted == 200
    (told,) = repeats.due(100.0)
    assert "800 more alerts" in told.words


def test_old_files_go_with_a_word_and_only_what_was_sent(tmp_path):
    trail = AuditTrail(tmp_path / "audit", SOURCE, 1)  # a file a record
    for _ in range(4):
        trail.note_durably(EVERY_KIND["received"])
    later = time.time() + 40 * 86400
    assert forget_old(trail, 0, False, later) == 0
    assert forget_old(trail, 30, False) == 0
    assert forget_old(trail, 30, True, later) == 0  # nothing was sent yet
    third = [mark for _, mark in records(trail.folder, Mark())][2]
    third.write(trail.folder / "sent.json")
    assert forget_old(trail, 30, True, later) == 3
    assert segments(trail.folder)[0].name == "000000000004.jsonl"
    found = verify(trail.folder)
    assert (found.breaks, found.first, found.forgotten) == ([], 4, 3)
    assert names(trail.folder) == ["DICOM Instances Transferred"] + ["Security Alert"] * 3


def test_no_trail_takes_everything_and_keeps_nothing():
    trail = NullTrail()
    trail.note(EVERY_KIND["login"])
    trail.note_durably(EVERY_KIND["deleted"])
    over = trail.transfers(MODALITY, sends=True)
    over.went("1.2.3", CT)
    over.end()
