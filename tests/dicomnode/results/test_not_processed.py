"""A refusal goes back with its reason."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from dicomnode.collect.examine import is_result
from dicomnode.marks.mark_reading import Refusal
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.not_processed import MAX_REFUSALS, not_processed
from tests.dicomnode.results.documents import saved
from tests.dicomnode.results.lesions import (
    EQUIPMENT,
    ball_result,
)


def test_a_refusal_goes_back_with_its_reason():
    source = ball_result().slices[0]
    source.PatientName = "Synthétique^Jörg"
    refusals = [
        Refusal("1.2", "a single point says not how large it is"),
        Refusal("1.3", "no unit"),
    ]
    document = saved(not_processed(source, refusals, EQUIPMENT))
    assert is_result(document)
    assert str(document.PatientName) == "Synthétique^Jörg"
    assert document.StudyInstanceUID == source.StudyInstanceUID
    groups = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    texts = [[i.TextValue for i in g.ContentSequence if i.ValueType == "TEXT"] for g in groups]
    assert texts == [[refusal.item, refusal.reason] for refusal in refusals]
    (pointer,) = [item for item in document.ContentSequence if item.ValueType == "COMPOSITE"]
    reference = pointer.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "not for diagnosis" in str(document)
    again = not_processed(source, refusals[::-1], EQUIPMENT)
    assert again.SOPInstanceUID == document.SOPInstanceUID
    fewer = not_processed(source, refusals[:1], EQUIPMENT)
    assert fewer.SOPInstanceUID != document.SOPInstanceUID


def test_a_thousand_refusals_are_counted_and_not_all_listed():
    refusals = [Refusal(str(k), "no unit") for k in range(MAX_REFUSALS + 3)]
    document = not_processed(ball_result().slices[0], refusals, EQUIPMENT)
    groups = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    assert len(groups) == MAX_REFUSALS
    assert "3 more are not listed" in document.ContentSequence[-1].TextValue


def test_a_refusal_needs_a_reason_and_an_object():
    with pytest.raises(NothingToReport):
        not_processed(ball_result().slices[0], [], EQUIPMENT)
    with pytest.raises(ValueError, match="no StudyInstanceUID"):
        not_processed(Dataset(), [Refusal("1", "why")], EQUIPMENT)
