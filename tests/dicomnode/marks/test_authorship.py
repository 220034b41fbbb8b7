"""Who stated what when is read of any object, and no name of it is kept."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomnode.marks.authorship import read_authorship


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()


def of(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def observer(name: str, value_type: str = "PNAME", code: str = "121008") -> Dataset:
    concept = of(CodeValue=code, CodingSchemeDesignator="DCM", CodeMeaning="observer")
    item = of(ValueType=value_type, ConceptNameCodeSequence=[concept])
    setattr(item, "PersonName" if value_type == "PNAME" else "UID", name)
    return item


@pytest.mark.parametrize(
    ("values", "stated"),
    [
        ({"ContentDate": "20261121", "ContentTime": "101500.5"}, at(2026, 11, 21, 10, 15) + 0.5),
        ({"ContentDate": "20261121"}, at(2026, 11, 21)),
        ({"ContentDate": "2026.11.21", "ContentTime": "10:15:00"}, at(2026, 11, 21, 10, 15)),
        (
            {
                "ContentDate": "20261121",
                "ContentTime": "1015",
                "TimezoneOffsetFromUTC": "+0200",
            },
            at(2026, 11, 21, 8, 15),
        ),
        (
            {"PresentationCreationDate": "20261120", "ContentDate": "20261121"},
            at(2026, 11, 20),
        ),
        ({"StructureSetDate": "20261120", "StructureSetTime": "101500"}, at(2026, 11, 20, 10, 15)),
        ({"InstanceCreationDate": "20261119"}, at(2026, 11, 19)),
        ({"ContentDate": "", "ContentTime": "1015"}, None),
        ({"ContentDate": "20261399", "ContentTime": "101500"}, None),
        ({}, None),
    ],
)
def test_the_content_says_when_it_was_stated(values, stated):
    assert read_authorship(of(**values)).stated_at == stated


def test_a_report_that_was_verified_later_was_stated_then():
    verified = [of(VerificationDateTime=text) for text in ("20261122101500-0100", "20261101")]
    report = of(ContentDate="20261121", VerifyingObserverSequence=verified)
    assert read_authorship(report).stated_at == at(2026, 11, 22, 11, 15)


@pytest.mark.parametrize(
    "name", ["", "unknown^unknown", "Anonymous^Reader", "NONE", "^^^", "ANONYMIZED"]
)
def test_placeholders_name_nobody(name):
    assert read_authorship(of(ContentSequence=[observer(name)])).person is None


def test_one_person_is_one_in_every_writing_and_kind_of_object():
    report = read_authorship(of(ContentSequence=[observer("Doe^Jane")]))
    state = read_authorship(of(ContentCreatorName="DOE^JANE^^^"))
    other = read_authorship(of(ContentCreatorName="Doe^John"))
    assert report.person == state.person is not None
    assert other.person not in (None, report.person)


def test_a_device_is_known_by_its_uid_or_else_by_what_it_is():
    made = {"Manufacturer": "M", "ManufacturerModelName": "X", "DeviceSerialNumber": "1"}
    assert read_authorship(of(**made)).device == read_authorship(of(**made)).device is not None
    assert read_authorship(of(**made)).device != read_authorship(of(Manufacturer="M")).device
    named = of(ContentSequence=[observer("1.2.3", "UIDREF", "121012")], **made)
    assert read_authorship(named).device != read_authorship(of(**made)).device
    assert read_authorship(of()).device is None


def test_predecessors_are_read_and_broken_ones_are_left_out():
    documents = [of(ReferencedSOPInstanceUID="1.2.3"), of(ReferencedSOPInstanceUID="no uid"), of()]
    study = of(ReferencedSeriesSequence=[of(ReferencedSOPSequence=documents), of()])
    report = of(PredecessorDocumentsSequence=[study, study, of()])
    assert read_authorship(report).predecessors == ("1.2.3",)


def test_no_name_is_kept():
    report = of(ContentSequence=[observer("Doe^Jane")], Manufacturer="Maker", ContentDate="2026")
    found = read_authorship(report)
    kept = " ".join(str(getattr(found, field.name)) for field in fields(found)).casefold()
    assert not any(word in kept for word in ("doe", "jane", "maker"))


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's, of each broken value
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_stands_there_raises(date, time, name):
    dataset = Dataset()
    for tag, vr, text in (
        (0x00080023, "DA", date),
        (0x00080033, "TM", time),
        (0x00080201, "SH", time),
        (0x00700084, "PN", name),
    ):
        dataset.add_new(tag, "UN", text.encode("utf-8", "replace"))
        dataset[tag].VR = vr
    read_authorship(dataset)
