"""A node tells who sent what, who was turned away and what was deleted, and names no patient."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE
from sqlalchemy import select
from typer.testing import CliRunner

from dicomnode.audit.files import Mark, records, segments
from dicomnode.audit.trail import NotAudited, NullTrail
from dicomnode.audit.verify import verify
from dicomnode.commands import app
from dicomnode.node import Node
from dicomnode.receive.sop_classes import VERIFICATION
from dicomnode.retention.purge import By, purge_study
from dicomnode.settings import NodeSettings
from dicomnode.store.states import StudyState
from dicomnode.store.tables import Instance, Purge
from tests.dicomnode.studies import send_to, study

NAME, PATIENT = "Quillfeather^Zebedee", "QF-77341"
ANY = [state for state in StudyState if state is not StudyState.BUSY]


def settings(tmp_path, **audit: object) -> NodeSettings:
    return NodeSettings(
        store={"path": tmp_path / "store", "reserve_mb": 0},
        listen={"host": "127.0.0.1", "port": 0},
        segment={"processes": 1},
        audit=audit,
    )


def read(tmp_path) -> list[ElementTree.Element]:
    folder = tmp_path / "store" / "audit"
    return [ElementTree.fromstring(record.xml) for record, _ in records(folder, Mark())]


def told(tmp_path, what: str) -> list[ElementTree.Element]:
    return [
        document
        for document in read(tmp_path)
        if document.find(".//EventID").get("originalText") == what
    ]


def objects(document) -> list[str]:
    found = document.iterfind("ParticipantObjectIdentification")
    return [one.get("ParticipantObjectID") for one in found]


@pytest.fixture(scope="module")
def ct():
    images = study("audited").ct[:3]
    for image in images:
        image.PatientName, image.PatientID = NAME, PATIENT
    return images


def delete(node, uid, trail=None):
    by = By("anna", "by hand: asked for")
    return purge_study(node.database, uid, by, {}, ANY, trail or node.audit.trail)


def test_a_life_of_a_node_is_in_its_trail_without_patient_data(tmp_path, ct):
    uid = ct[0].StudyInstanceUID
    with Node(settings(tmp_path)) as node:
        send_to(node.port, ct, tmp_path / "sent")
        send_to(node.port, ct[:1], tmp_path / "again")
        stranger = AE("STRANGER")
        stranger.add_requested_context(VERIFICATION)
        for _ in range(3):
            called = stranger.associate("127.0.0.1", node.port, ae_title="ELSEWHERE")
            assert not called.is_established
        delete(node, uid)
        assert node.reload_certificates()
    start, *_, stop = read(tmp_path)
    kinds = [one.find(".//EventTypeCode").get("originalText") for one in (start, stop)]
    assert kinds == ["Application Start", "Application Stop"]
    came, again = told(tmp_path, "DICOM Instances Transferred")
    assert came.find("EventIdentification").get("EventActionCode") == "C"
    assert again.find("EventIdentification").get("EventActionCode") == "R"
    assert came.find(".//SOPClass").get("NumberOfInstances") == "3"
    assert came.find("ActiveParticipant").get("NetworkAccessPointID") == "127.0.0.1"
    assert objects(came) == [uid, "withheld"]
    rejected, more = told(tmp_path, "Security Alert")  # three times, told twice
    assert rejected.findall("ActiveParticipant")[1].get("UserID") == "STRANGER"
    assert more.findall("ActiveParticipant")[1].get("UserID") == "STRANGER"
    (gone,) = told(tmp_path, "DICOM Study Deleted")
    assert objects(gone)[0] == uid
    assert gone.find("ActiveParticipant").get("UserID") == "anna"
    assert gone.findtext(".//EventOutcomeDescription") == "by hand: asked for"
    found = verify(tmp_path / "store" / "audit")
    assert found.whole
    whole = b"".join(p.read_bytes() for p in segments(tmp_path / "store" / "audit")).lower()
    assert [w for w in ("quillfeather", "zebedee", "qf-77341") if w.encode() in whole] == []


def test_patients_are_named_by_their_id_alone_where_it_is_asked_for(tmp_path, ct):
    uid = ct[0].StudyInstanceUID
    with Node(settings(tmp_path, patient_ids=True)) as node:
        send_to(node.port, ct, tmp_path / "sent")
        delete(node, uid)
    for what in ("DICOM Instances Transferred", "DICOM Study Deleted"):
        assert [objects(document) for document in told(tmp_path, what)] == [[uid, PATIENT]]
    assert "Quillfeather" not in segments(tmp_path / "store" / "audit")[0].read_text()


class FullTrail(NullTrail):
    def note_durably(self, message):
        raise NotAudited(28, "the audit trail cannot be written")


def test_nothing_is_deleted_that_is_not_in_the_trail(tmp_path, ct):
    uid = ct[0].StudyInstanceUID
    with Node(settings(tmp_path)) as node:
        send_to(node.port, ct, tmp_path / "sent")
        with pytest.raises(NotAudited):
            delete(node, uid, FullTrail())
        with node.database.read() as session:
            assert session.scalars(select(Purge)).all() == []
            paths = session.scalars(select(Instance.path)).all()
        assert len(paths) == 3
        assert all((tmp_path / path).exists() for path in paths)


def test_what_is_refused_is_told_as_a_failure(tmp_path, ct):
    bad = study("audited").ct[0]
    bad.StudyInstanceUID = "1.2.x"
    bad.SOPInstanceUID = bad.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    with Node(settings(tmp_path)) as node:
        send_to(node.port, [bad], tmp_path / "sent")
    (failed,) = told(tmp_path, "DICOM Instances Transferred")
    assert failed.find("EventIdentification").get("EventOutcomeIndicator") == "8"
    assert objects(failed)[0] == "unknown"
    assert "refused with status 0x" in failed.findtext(".//EventOutcomeDescription")


def test_a_node_without_a_trail_writes_none(tmp_path, ct):
    with Node(settings(tmp_path, enabled=False)) as node:
        send_to(node.port, ct, tmp_path / "sent")
        assert node.audit.standing() is None
        assert node.audit.conditions() == []
    assert not (tmp_path / "store" / "audit").exists()


def test_commands_show_and_verify_and_write_down_who_looked(tmp_path, ct):
    configuration = tmp_path / "node.toml"
    configuration.write_text(
        f'[store]\npath = "{tmp_path / "store"}"\nreserve_mb = 0\n[segment]\nprocesses = 1\n'
    )
    uid = ct[0].StudyInstanceUID
    with Node(settings(tmp_path)) as node:
        send_to(node.port, ct, tmp_path / "sent")
        ran = CliRunner().invoke(app, ["purge", "-c", str(configuration), "--study", uid, "--yes"])
        assert ran.exit_code == 0, ran.output
    call = ["audit", "show", "-c", str(configuration), "--study", uid, "--json", "--since", "1d"]
    shown = CliRunner().invoke(app, call)
    assert shown.exit_code == 0, shown.output
    lines = [json.loads(line) for line in shown.output.splitlines()]
    shown = "".join(line["xml"] for line in lines)
    assert ["110104" in shown, "110105" in shown, len(lines)] == [True, True, 2]
    assert len(told(tmp_path, "Audit Log Used")) == 1
    table = CliRunner().invoke(app, ["audit", "show", "-c", str(configuration)])
    assert "Study" in table.output
    verified = CliRunner().invoke(app, ["audit", "verify", "-c", str(configuration)])
    assert verified.exit_code == 0, verified.output
    noted = verified.output.split()[-1]
    again = ["audit", "verify", "-c", str(configuration), "--json", "--expect", noted]
    assert json.loads(CliRunner().invoke(app, again).output)["whole"] is True
    path = segments(tmp_path / "store" / "audit")[0]
    path.write_bytes(path.read_bytes().replace(b"110105", b"110103"))
    broken = CliRunner().invoke(app, again)
    assert broken.exit_code == 1
    assert json.loads(broken.output)["breaks"][0]["damage"] == "changed"
    for wrong in (["show", "--since", "soon"], ["verify", "--expect", "7"]):
        ran = CliRunner().invoke(app, ["audit", wrong[0], "-c", str(configuration), *wrong[1:]])
        assert ran.exit_code == 2
