"""The key object points to every result once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.key_object import key_object, key_object_uids
from tests.dicomnode.results.documents import saved, twins_of
from tests.dicomnode.results.lesions import (
    ball_result,
)


def test_the_key_object_points_to_every_result_once():
    result = ball_result()
    twins = twins_of(result)
    document = saved(key_object([result, replace(result, number=2)], twins=[twins, twins]))
    pointed = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: item.ValueType
        for item in document.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert pointed == {"1.2.80.1": "IMAGE", "1.2.81.1": "COMPOSITE"}
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    listed = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert listed == set(pointed)
    assert document.ConceptNameCodeSequence[0].CodeValue == "113000"
    assert key_object_uids([result], [twins]) != key_object_uids([result], [twins[:1]])
    with pytest.raises(NothingToReport):
        key_object([result])
