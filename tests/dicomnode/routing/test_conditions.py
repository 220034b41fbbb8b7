"""Conditions on any attribute: what holds, what is not known, and what is never shown."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

from dicomnode.routing import Candidate, ObjectHeader, Rule, first_match
from dicomnode.routing.attributes import attribute_named
from dicomnode.routing.verdicts import Verdict
from dicomnode.routing.wildcard import MAX_PATTERN, fits


def saved(path, **attributes: object) -> ObjectHeader:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "1.2.3"
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.save_as(path, enforce_file_format=True)
    return ObjectHeader(path)


@pytest.fixture
def candidate(tmp_path) -> Candidate:
    template, other = Dataset(), Dataset()
    template.TemplateIdentifier, other.TemplateIdentifier = "1500", "2000"
    private = {"PatientName": "SECRET^NAME", "PatientID": "SECRET7"}
    return Candidate(
        calling_ae="PACS1",
        called_ae="NODE2",
        mark_sop_class="1.2.840.10008.5.1.4.1.1.88.34",
        modality="CT",
        body_part="CHEST",
        study_description="",
        series_description="Lung",
        priority="high",
        received_at=datetime(2026, 1, 5, 23, 30).timestamp(),
        mark=saved(
            tmp_path / "mark.dcm",
            Manufacturer="Viewer Ltd",
            ContentTemplateSequence=[template, other],
            **private,
        ),
        ct=saved(
            tmp_path / "ct.dcm",
            Manufacturer="Scanner Inc",
            SliceThickness="1.50",
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            ContrastBolusAgent="",
            StudyDate="20260105",
            **private,
        ),
    )


def judged(candidate: Candidate, **when: object):
    return Rule.model_validate({"name": "rule", "when": when}).judge(candidate)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"attribute": "ct.Manufacturer", "equals": "scanner inc"}, True),
        ({"attribute": "mark.Manufacturer", "equals": "scanner inc"}, False),
        ({"attribute": "ct.(0018,0050)", "equals": 1.5}, True),
        ({"attribute": "ct.00180050", "equals": "1.5"}, False),
        ({"attribute": "ct.SliceThickness", "range": [0, 1.5]}, True),
        ({"attribute": "ct.SliceThickness", "range": [1.6, float("inf")]}, False),
        ({"attribute": "ct.Manufacturer", "range": [0, 9]}, False),
        ({"attribute": "ct.ImageType", "equals": "AXIAL"}, True),
        ({"not": {"attribute": "ct.ImageType", "equals": "AXIAL"}}, False),
        ({"attribute": "ct.ImageType", "one_of": ["LOCALIZER", "SECONDARY"]}, False),
        ({"attribute": "ct.Manufacturer", "matches": ["x*", "scan?er*"]}, True),
        ({"attribute": "ct.SOPClassUID", "equals": "CTImageStorage"}, True),
        ({"attribute": "mark_sop_class", "one_of": ["Comprehensive3DSRStorage"]}, True),
        ({"attribute": "mark.ContentTemplateSequence.TemplateIdentifier", "equals": "2000"}, True),
        ({"attribute": "mark.ContentTemplateSequence", "exists": True}, True),
        ({"attribute": "ct.ContentTemplateSequence", "exists": True}, False),
        ({"attribute": "ct.ContrastBolusAgent", "exists": False}, True),
        ({"attribute": "ct.ContrastBolusAgent", "matches": "*"}, False),
        ({"not": {"attribute": "ct.ContrastBolusAgent", "matches": "*"}}, True),
        ({"attribute": "ct.(0009,1001)", "exists": False}, True),
        ({"attribute": "called_ae", "equals": "NODE2"}, True),
        ({"attribute": "priority", "one_of": ["high", "medium"]}, True),
        ({"attribute": "priority", "equals": "low"}, False),
        ({"attribute": "time", "range": ["22:00", "06:00"]}, True),
        ({"attribute": "time", "range": ["23:00", "23:30"]}, False),
        ({"attribute": "time", "range": ["06:00", "22:00"]}, False),
        ({"attribute": "mark.PatientID", "equals": "secret7"}, True),
        (
            {
                "any": [
                    {"attribute": "calling_ae", "equals": "CT1"},
                    {
                        "all": [
                            {"attribute": "calling_ae", "matches": "PACS*"},
                            {"not": {"attribute": "ct.SliceThickness", "range": [3, 99]}},
                        ]
                    },
                ]
            },
            True,
        ),
    ],
)
def test_a_condition_holds_or_does_not(candidate, when, holds):
    expected = Verdict.HOLDS if holds else Verdict.FAILS
    assert judged(candidate, **when).verdict is expected


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"equals": "a"}, "expected one of attribute, all, any, not"),
        ({"attribute": "ct.Modality"}, "found no operator, expected one of equals"),
        ({"attribute": "ct.Modality", "equals": "a", "exists": True}, "equals and exists"),
        ({"attribute": "Modality", "equals": "CT"}, "'ct.KEYWORD'"),
        ({"attribute": "ct.Modallity", "equals": "CT"}, "'Modallity' is neither"),
        ({"attribute": "ct.Modality.Rows", "equals": 1}, "Modality is no sequence"),
        ({"attribute": "ct.ImageType", "equals": ""}, "exists = false"),
        ({"attribute": "ct.ImageType", "equals": True}, "found true or false"),
        ({"attribute": "ct.SliceThickness", "range": [3, 1]}, "the lower one first"),
        ({"attribute": "ct.SliceThickness", "range": [1]}, "two values"),
        ({"attribute": "time", "equals": "22:00"}, "expected range"),
        ({"attribute": "time", "range": ["22:00", "24:00"]}, '"06:00"'),
        ({"attribute": "priority", "equals": "urgent"}, "low, medium, high"),
        ({"attribute": "ct.ContentTemplateSequence", "equals": "1"}, "is a sequence"),
        ({"all": []}, "at least 1 item"),
        ({"all": [{"attribute": "ct.Modality", "equals": "CT"}], "equals": "x"}, "an attribute"),
        ({"attribute": "ct.Modality", "matches": "x" * (MAX_PATTERN + 1)}, "at most 256"),
        ({"any": [{"attribute": "ct.Rows", "exists": True}] * 200}, "found 201 conditions"),
    ],
)
def test_a_wrong_condition_is_refused_with_the_reason(when, words):
    with pytest.raises(ValidationError, match=re.escape(words)):
        Rule.model_validate({"name": "rule", "when": when})


def test_conditions_are_not_nested_without_end():
    when: dict[str, object] = {"attribute": "ct.Rows", "exists": True}
    for _ in range(8):
        when = {"not": when}
    with pytest.raises(ValidationError, match="found 9 within one another"):
        Rule.model_validate({"name": "rule", "when": when})


def test_what_is_not_known_counts_only_where_the_rest_does_not_decide(candidate):
    without_ct = Candidate(**vars(candidate) | {"ct": None})
    thin = {"attribute": "ct.SliceThickness", "range": [0, 2]}
    known = {"attribute": "calling_ae", "equals": "PACS1"}
    other = {"attribute": "calling_ae", "equals": "CT1"}
    assert judged(without_ct, **thin).verdict is Verdict.UNKNOWN
    assert judged(without_ct, **{"not": thin}).verdict is Verdict.UNKNOWN
    assert judged(without_ct, all=[thin, known]).unknown == ("ct.SliceThickness from 0 to 2",)
    assert judged(without_ct, all=[thin, other]).verdict is Verdict.FAILS
    assert judged(without_ct, any=[thin, known]).verdict is Verdict.HOLDS
    assert judged(without_ct, any=[thin, known]).unknown == ()


def test_match_and_when_must_both_hold(candidate):
    rule = {"match": {"modality": "CT"}, "when": {"attribute": "calling_ae", "equals": "PACS1"}}
    both = Rule.model_validate({"name": "rule"} | rule)
    wrong = Rule.model_validate({"name": "rule"} | rule | {"match": {"modality": "MR"}})
    assert first_match([both], candidate)[0] is both
    assert first_match([wrong], candidate)[0] is None


def test_a_miss_names_the_clause_and_what_was_found(candidate):
    rule = {"attribute": "ct.SliceThickness", "range": [2, 5]}
    _, reason = first_match([Rule.model_validate({"name": "thick", "when": rule})], candidate)
    assert reason.endswith("'thick': ct.SliceThickness from 2 to 5: found '1.50'")


@pytest.mark.parametrize("name", ["mark.PatientName", "ct.PatientID", "ct.StudyDate"])
@pytest.mark.parametrize("operator", ["equals", "matches"])
def test_nothing_of_the_patient_is_shown(candidate, name, operator):
    clause = {"attribute": name, operator: "SECRET-OPERAND"}
    for when in (clause, {"not": clause}, {"any": [clause]}):
        said = repr(judged(candidate, **when)) + judged(candidate, any=[clause]).failing
        assert name in said
        assert "SECRET" not in said
        assert "20260105" not in said


def test_an_object_that_cannot_be_decoded_says_nothing(tmp_path, candidate):
    deflated = tmp_path / "deflated.dcm"
    deflated.write_bytes(b"\0" * 128 + b"DICM" + DeflatedExplicitVRLittleEndian.encode())
    unknown = Candidate(**vars(candidate) | {"mark": ObjectHeader(deflated)})
    when = {"attribute": "mark.Manufacturer", "exists": False}
    assert judged(unknown, **when).verdict is Verdict.UNKNOWN


@given(st.text("aAb*?", max_size=8), st.text("aAb", max_size=10))
def test_patterns_mean_what_the_regular_expression_would(pattern, value):
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    assert fits(value, pattern) is (re.fullmatch(expression, value, re.I | re.S) is not None)


def test_no_pattern_takes_for_ever():
    # A backtracking matcher would need some 10**30 steps for this one.
    assert not fits("a" * 1024, "*a" * 100 + "*b")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ct.PatientSex", False),
        ("ct.PatientWeight", False),
        ("ct.StudyTime", False),
        ("ct.InstitutionName", False),
        ("ct.(0009,1001)", False),
        ("ct.(0009,1001).SliceThickness", False),
        ("ct.StudyDescription", True),
        ("ct.BodyPartExamined", True),
        ("ct.SliceThickness", True),
        ("ct.SeriesInstanceUID", True),
        ("calling_ae", True),
    ],
)
def test_which_values_may_be_shown(name, shown):
    assert attribute_named(name).may_be_shown is shown
