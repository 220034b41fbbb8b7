"""Audit messages are as PS3.15 A.5.1 and A.5.3 say."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from dicomnode.audit import (
    InstancesTransferred,
    Participant,
    Query,
    SecurityAlert,
    StudyContent,
    StudyDeleted,
)
from dicomnode.audit.codes import EVENT_IDS
from dicomnode.audit.document import write
from dicomnode.audit.messages import Alert
from tests.dicomnode.audit.said import ANNA, EVERY_KIND, MODALITY, NAMING, SOURCE, STUDY

SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).parent / "audit_message.rng"))


def read(message, source=SOURCE):
    document = etree.fromstring(write(message, 1764000000.25, source))
    SCHEMA.assertValid(document)
    return document


def asking(document) -> list[str]:
    found = document.findall("ActiveParticipant[@UserIsRequestor='true']")
    return [participant.get("UserID") for participant in found]


def roles(document) -> dict[str, str]:
    return {
        participant.find("RoleIDCode").get("originalText"): participant.get("UserID")
        for participant in document.iterfind("ActiveParticipant")
        if participant.find("RoleIDCode") is not None
    }


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_message_follows_the_schema_and_has_one_who_asks(kind):
    for source in (SOURCE, NAMING):
        document = read(EVERY_KIND[kind], source)
        assert len(asking(document)) == 1  # A.5.2: not several
        event = document.find("EventIdentification")
        assert event.get("EventDateTime") == "2025-11-24T16:00:00.250000Z"
        assert event.find("EventID").get("csd-code") in {code.value for code in EVENT_IDS}
        assert document.find("AuditSourceIdentification").get("AuditSourceID") == "SOFTMASK@node"


def test_the_schema_of_these_tests_refuses_what_is_out_of_order():
    document = etree.fromstring(write(EVERY_KIND["received"], 1.0, SOURCE))
    source = document.find("AuditSourceIdentification")
    document.remove(source)
    assert not SCHEMA.validate(document)
    document.insert(0, source)
    assert not SCHEMA.validate(document)


@pytest.mark.parametrize(
    ("kind", "code", "action", "event_type"),
    [
        ("start", "110100", "E", "110120"),
        ("stop", "110100", "E", "110121"),
        ("log used", "110101", "R", None),
        ("begins", "110102", "E", None),
        ("looked at", "110103", "U", None),
        ("received", "110104", "C", None),
        ("deleted", "110105", "D", None),
        ("export", "110106", "R", None),
        ("query", "110112", "E", None),
        ("alert", "110113", "E", "110126"),
        ("login", "110114", "E", "110122"),
    ],
)
def test_events_and_actions_are_those_of_the_tables(kind, code, action, event_type):
    event = read(EVERY_KIND[kind]).find("EventIdentification")
    assert (event.find("EventID").get("csd-code"), event.get("EventActionCode")) == (code, action)
    found = event.find("EventTypeCode")
    assert (None if found is None else found.get("csd-code")) == event_type


def test_who_sends_who_receives_and_who_asked():
    received, fetched, sent = (read(EVERY_KIND[kind]) for kind in ("received", "fetched", "sent"))
    assert roles(received) == {"Source Role ID": "CT1", "Destination Role ID": "4711"}
    assert asking(received) == ["CT1"]
    assert roles(fetched) == roles(received)
    assert asking(fetched) == ["4711"]
    assert roles(sent) == {"Source Role ID": "4711", "Destination Role ID": "CT1"}
    assert asking(sent) == ["4711"]
    participant = received.find("ActiveParticipant[@UserID='4711']")
    assert participant.get("AlternativeUserID") == "AETITLES=SOFTMASK;SOFTMASK2"


def test_a_study_is_told_with_its_classes_and_its_patient():
    document = read(EVERY_KIND["received"], NAMING)
    study, patient = document.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == "1.2.3.4"
    counts = {c.get("UID"): c.get("NumberOfInstances") for c in study.iter("SOPClass")}
    assert counts == dict((uid, str(number)) for uid, number in STUDY.instances)
    assert patient.get("ParticipantObjectID") == "PAT-1"
    assert patient.get("ParticipantObjectTypeCodeRole") == "1"


def test_patients_are_named_only_where_that_is_asked_for():
    told = EVERY_KIND["received"]
    assert read(told).findall("ParticipantObjectIdentification")[1].get("ParticipantObjectID") == (
        "withheld"
    )
    lost = InstancesTransferred(StudyContent("1.2.9"), sender=MODALITY)
    assert "unknown" in write(lost, 1.0, NAMING)
    query = EVERY_KIND["query"]
    for source, expected in ((SOURCE, b"withheld"), (NAMING, b"\x00PatientID=7")):
        found = read(query, source).find(".//ParticipantObjectQuery").text
        assert base64.b64decode(found) == expected


def test_an_alert_says_in_base64_what_it_is_about():
    document = read(EVERY_KIND["alert"])
    detail = document.find(".//ParticipantObjectDetail")
    assert detail.get("type") == "Alert Description"
    assert base64.b64decode(detail.get("value")) == b"handshake: version"
    assert document.find("ParticipantObjectIdentification").get("ParticipantObjectID") == "fe80::1"


@settings(max_examples=50)
@given(st.text(max_size=50), st.text(min_size=1, max_size=50))
def test_whatever_a_peer_calls_itself_the_document_stays_one(words, name):
    words, name = words * 100, name * 100
    for message in (
        SecurityAlert(Alert.NODE_AUTHENTICATION, words, Participant(name, words)),
        StudyDeleted(Participant(name), STUDY, reason=words),
        InstancesTransferred(STUDY, sender=Participant.ae(name), reason=words),
    ):
        text = write(message, 1.0, SOURCE)
        assert etree.fromstring(text).tag == "AuditMessage"
        assert len(text.encode()) < 32768  # what every receiver takes (A.6)


def test_a_message_names_one_peer():
    with pytest.raises(ValueError, match="exactly one peer"):
        InstancesTransferred(STUDY)
    with pytest.raises(ValueError, match="exactly one peer"):
        Query("1.2", b"", asking=ANNA, asked=MODALITY)
    with pytest.raises(ValueError, match="user_id"):
        Participant("")
    assert Participant.ae("   ").user_id == "unknown"
