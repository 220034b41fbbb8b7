"""What all reports, contours and pointers say, and that the same input makes the same ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicomnode.collect.examine import is_result
from dicomnode.results import LADDER
from dicomnode.results.document_uids import MixedSeries
from tests.dicomnode.results.documents import (
    DOCUMENTS,
    OBLIQUE,
    WRITTEN_WHEN,
    made,
    saved,
    twins_of,
)
from tests.dicomnode.results.lesions import (
    EQUIPMENT,
    ball_result,
)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_says_whose_what_and_what_for_it_is(name):
    result = ball_result(OBLIQUE)
    document = saved(made(name, result, twins_of(result)))
    assert document.SOPClassUID == LADDER[name].sop_class_uid
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyID"):
        assert document[keyword].value == result.slices[0][keyword].value
    assert "RESEARCH" in document.SeriesDescription
    assert "not for diagnosis" in str(document)
    assert document.SoftwareVersions == EQUIPMENT.software_version
    made_by = {item.ManufacturerModelName for item in document.ContributingEquipmentSequence}
    assert "softmask-node" in made_by
    assert is_result(document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_same_input_gives_the_same_document(name):
    def everything(dataset):
        return [
            (element.tag, element.VR, str(element.value))
            for element in dataset.iterall()
            if element.VR != "SQ" and not element.keyword.endswith(WRITTEN_WHEN)
        ]

    one, two = (made(name, ball_result(), twins_of(ball_result())) for _ in "12")
    assert everything(one) == everything(two)
    other = made(
        name, replace(ball_result(), configuration_digest="other"), twins_of(ball_result())
    )
    assert other.SOPInstanceUID != one.SOPInstanceUID
    assert other.SeriesInstanceUID == one.SeriesInstanceUID


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.filterwarnings("error")
def test_names_in_other_alphabets_survive_unquoted(name):
    changes = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Synthétique^Jörg"}
    result = ball_result(overrides=dict.fromkeys(range(6), changes))
    document = made(name, result, twins_of(result))
    assert str(saved(document).PatientName) == "Synthétique^Jörg"


def test_lesions_of_two_series_make_no_document():
    results = [ball_result(), ball_result(seed="another")]
    for name in set(DOCUMENTS) - {"iso-contours"}:
        with pytest.raises(MixedSeries, match="2 CT series"):
            LADDER[name].make(results, LADDER[name].settings(), twins=[twins_of(results[0])] * 2)
