"""What goes to destinations, and what sources are asked and send, is in the trail."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pydicom
import pytest

from dicomnode.audit import (
    Action,
    DataExport,
    InstancesTransferred,
    NullTrail,
    Outcome,
    Query,
)
from dicomnode.audit.transfers import Transfers
from dicomnode.deliver.answer import Answer, Contact, Verdict
from dicomnode.deliver.parcel import Parcel
from dicomnode.deliver.told import Told
from dicomnode.retrieve.audited import AuditedAsking, CountingIntake, peer_of
from dicomnode.settings import (
    DicomDestination,
    DicomSource,
    DicomWebSource,
    FolderDestination,
    StowDestination,
)
from tests.dicomnode.audit.said import CT
from tests.dicomnode.studies import study


class ListTrail(NullTrail):
    def __init__(self):
        self.notes = []

    def note(self, message):
        self.notes.append(message)

    def transfers(self, peer, sends, node_asked=False):
        return Transfers(lambda m, at: self.note(m), peer, sends, node_asked, lambda _: None)


@pytest.fixture(scope="module")
def parcel(tmp_path_factory):
    path = tmp_path_factory.mktemp("told") / "ct.dcm"
    dataset = study("told").ct[0]
    dataset.save_as(path, enforce_file_format=True)
    return Parcel(1, dataset.SOPClassUID, path), dataset.StudyInstanceUID


PACS = DicomDestination(name="pacs", ae_title="PACS", host="10.0.0.9", port=104, results=["report"])
ACCEPTED = Answer(Verdict.ACCEPTED, "", 0x0000)
REFUSED = Answer(Verdict.REFUSED, "Quillfeather is not known", 0x0122)
AWAY = Answer(Verdict.REPEAT, "could not be reached")
BUSY = Answer(Verdict.REPEAT, "Quillfeather waits", 0xA700)
LOST = Answer(Verdict.UNKNOWN, "no answer came")
UNREADABLE = Answer(Verdict.REFUSED, "not a DICOM file", contact=Contact.NONE)


def told(destination, parcel, *answers):
    trail = ListTrail()
    found = Told(trail, destination)
    for answer in answers:
        found.add(parcel, answer)
    found.end()
    return trail.notes


def test_what_was_sent_and_what_was_refused_is_told_without_the_peers_words(parcel):
    one, uid = parcel
    answers = (ACCEPTED, ACCEPTED, REFUSED, AWAY, BUSY, LOST, UNREADABLE)
    sent, refused, repeated = told(PACS, one, *answers)
    assert isinstance(sent, InstancesTransferred)
    assert (sent.study.study_instance_uid, sent.study.instances) == (uid, ((CT, 2),))
    assert (sent.receiver.user_id, sent.receiver.address) == ("PACS", "10.0.0.9")
    assert sent.node_asked
    assert (refused.outcome, refused.reason) == (Outcome.SERIOUS_FAILURE, "status 0x0122")
    assert (repeated.outcome, repeated.study.instances) == (Outcome.MINOR_FAILURE, ((CT, 2),))
    assert told(PACS, one, AWAY) == []  # nothing left the node


def test_a_folder_is_an_export_and_a_web_server_is_known_by_its_host(parcel, tmp_path):
    one, uid = parcel
    folder = FolderDestination(name="out", kind="folder", path=tmp_path, results=["report"])
    (export,) = told(folder, one, ACCEPTED)
    assert isinstance(export, DataExport)
    assert (export.place, export.study.study_instance_uid) == (tmp_path.as_uri(), uid)
    web = StowDestination(
        name="web", kind="stow-rs", url="https://pacs.example.org/dicom-web", results=["report"]
    )
    (sent,) = told(web, one, ACCEPTED)
    assert sent.receiver.user_id == "pacs.example.org"
    lost = Parcel(2, CT, Path("/nowhere"))
    assert told(PACS, lost, LOST)[0].study.study_instance_uid == ""


class Asking:
    takes_whole_series = True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.over = True

    def series(self, study):
        return [study]

    def series_of_image(self, study, sop_instance_uid):
        return sop_instance_uid

    def images(self, study, series, limit=None):
        return [series, limit]

    def fetch(self, study, series, images):
        self.fetched = images


class Intake:
    def keep(self, announced, data_set):
        header = SimpleNamespace(study_instance_uid="1.2.3", sop_class_uid=CT)
        return SimpleNamespace(header=header, new=announced == "new")


@pytest.mark.parametrize(
    "source",
    [
        DicomSource(name="s", kind="c-get", ae_title="PACS", host="pacs", port=104),
        DicomWebSource(name="s", kind="dicomweb", url="https://pacs.example.org/dicom-web"),
    ],
    ids=lambda source: source.kind,
)
def test_what_a_source_is_asked_and_what_it_sends_is_told(source):
    trail = ListTrail()
    transfers = trail.transfers(peer_of(source), sends=True, node_asked=True)
    intake = CountingIntake(Intake(), transfers)
    inner = Asking()
    with AuditedAsking(inner, source, trail, transfers) as asking:
        assert asking.takes_whole_series
        assert asking.series("1.2.3") == ["1.2.3"]
        assert asking.series_of_image("1.2.3", "1.2.5") == "1.2.5"
        assert asking.images("1.2.3", "1.2.4", limit=7) == ["1.2.4", 7]
        asking.fetch("1.2.3", "1.2.4", None)
        for announced in ("new", "new", "held"):
            assert intake.keep(announced, []).header.sop_class_uid == CT
    assert inner.over
    *queries, came, held = trail.notes
    assert [type(query) for query in queries] == [Query] * 3
    assert all(query.asked == peer_of(source) for query in queries)
    if isinstance(source, DicomSource):
        keys = pydicom.dcmread(BytesIO(queries[1].query), force=True)
        assert (keys.QueryRetrieveLevel, keys.SOPInstanceUID) == ("IMAGE", "1.2.5")
    else:
        assert b"SOPInstanceUID=1.2.5" in queries[1].query
    assert (came.action, came.study.instances, came.node_asked) == (Action.CREATE, ((CT, 2),), True)
    assert (held.action, held.study.instances) == (Action.READ, ((CT, 1),))
