"""No patient data reaches the log over the whole job, in refusals and errors least of all.

UIDs may be logged: `dicomnode explain` is asked with them.
"""

from __future__ import annotations

import logging

import pytest
from pydicom.dataset import Dataset

from dicomnode.audit.files import segments
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.events.catalogue import CATALOGUE
from dicomnode.events.reading import is_own, read_event
from dicomnode.logs import JsonLines, TextLines, silence_libraries
from dicomnode.node import Node
from dicomnode.retrieve.retriever import Retriever
from dicomnode.store.states import DeliveryState, LesionState
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_node import deliveries, explained, lesions, settings, until

SECRETS = {
    "PatientName": "Quillfeather^Zebedee",
    "PatientID": "QF-77341",
    "OtherPatientNames": "Quillfeather^Zeb",
    "PatientBirthDate": "19010203",
    "PatientAge": "119Y",
    "PatientComments": "Keeps bees",
    "AccessionNumber": "ACC-99120",
    "StudyID": "SID-4471",
    "StudyDate": "19991231",
    "StudyTime": "235958",
    "StudyDescription": "Staging of Quillfeather",
    "SeriesDescription": "Thorax of Quillfeather",
    "InstitutionName": "Saint Swithin",
    "OperatorsName": "Radiographer^Ronald",
    "ReferringPhysicianName": "Surgeon^Sybil",
}
WORDS = (
    "quillfeather", "zebedee", "qf-77341", "19010203", "1901-02-03", "119y", "bees", "acc-99120",
    "sid-4471", "19991231", "1999-12-31", "235958", "staging", "swithin", "ronald", "sybil",
    "observer^otto",
)  # fmt: skip


def told(dataset: Dataset, **changes: object) -> Dataset:
    """Fill in what nobody may read in the log."""
    for element in dataset.iterall():
        if element.VR == "PN":
            element.value = "Observer^Otto"
    for keyword, value in (SECRETS | changes).items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


@pytest.fixture
def lines(caplog, monkeypatch):
    """All that is logged, at every level, as text and as JSON."""
    caplog.set_level(logging.DEBUG)
    silence_libraries()  # as every process of the node does
    for package in ("dicomnode", "pipelines", "models"):
        monkeypatch.setattr(logging.getLogger(package), "level", logging.DEBUG)

    def read() -> str:
        formatters = (TextLines(), JsonLines())
        return "\n".join(f.format(r) for r in caplog.records for f in formatters).lower()

    return read


def names(caplog) -> set[str]:
    return {read_event(record).name for record in caplog.records if is_own(record)}


def check_no_secrets(text: str) -> None:
    assert [word for word in WORDS if word in text] == []


def check_events(caplog) -> None:
    for record in caplog.records:
        if is_own(record):
            logged = read_event(record)
            event = CATALOGUE[logged.name]
            assert record.levelname in event.levels.split(), logged.name
            assert set(logged.fields) <= set(event.fields.split()), logged


def test_the_whole_job_is_logged_without_patient_data(tmp_path, caplog, capfd, lines, monkeypatch):
    good, other = study("private"), study("private, another patient's")
    bad = study("private, bad", overrides={12: {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}})
    broken = told(study("private").report, SOPInstanceUID=f"{good.report.SOPInstanceUID}.9")
    del broken.ContentSequence
    unfit = told(study("private").report, SOPInstanceUID=f"{good.report.SOPInstanceUID}.8")
    unfit.StudyInstanceUID = "Quillfeather"
    for made in (good, bad, other):
        for dataset in (*made.ct, made.report):
            told(dataset)
    told(other.report, PatientID="QF-77342")
    stored = Retriever.stored
    failed = []

    def fail_once(self, received):
        if not failed:
            failed.append(received)
            raise ValueError(f"an error that quotes {SECRETS['PatientName']}")
        stored(self, received)

    monkeypatch.setattr(Retriever, "stored", fail_once)
    with (
        StandInPacs(tmp_path / "pacs") as pacs,
        Node(settings(tmp_path, pacs.port)) as node,
    ):
        send_to(node.port, [unfit, broken, *good.ct, good.report], tmp_path / "good")
        assert pacs.wait_for(1, 240)
        send_to(node.port, [*bad.ct, bad.report, *other.ct, other.report], tmp_path / "bad")
        until(
            lambda: [found.state for found in lesions(node)].count(LesionState.REFUSED) == 2,
            "refusals",
        )
        assert "Patient ID" in explained(node, other.report.SOPInstanceUID)
        until(lambda: deliveries(node)[0].state is DeliveryState.ACCEPTED, "acceptance")
    found = names(caplog)
    assert found >= {
        "node.started", "association.accepted", "instance.stored", "instance.refused",
        "instance.followup_failed", "mark.examined", "lesion.ready", "lesion.segmented",
        "lesion.published", "lesion.refused", "delivery.accepted", "node.stopped",
    }  # fmt: skip
    check_events(caplog)
    # Nor in the audit trail, which says of a study who did what, and not whose it is.
    audit = b"".join(path.read_bytes() for path in segments(tmp_path / "store" / "audit"))
    assert audit.count(b"110104") >= 3
    check_no_secrets(audit.decode().lower())
    captured = capfd.readouterr()  # workers write there
    check_no_secrets(lines() + captured.out.lower() + captured.err.lower())


def test_what_a_peer_says_of_a_patient_is_not_logged(tmp_path, caplog, lines):
    made = study("peer's words")
    for dataset in (*made.ct, made.report):
        told(dataset)
    words = "no Quillfeather here"
    with (
        StandInPacs(tmp_path / "pacs", status=0xA900, comment=words) as pacs,
        Node(settings(tmp_path, pacs.port)) as node,
    ):
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: deliveries(node) and deliveries(node)[0].attempts, "the peer's answer")
        assert words in explained(node, made.report.SOPInstanceUID)
    assert "delivery.refused" in names(caplog)
    check_events(caplog)
    check_no_secrets(lines())
