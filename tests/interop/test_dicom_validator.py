"""pydicom's dicom-validator finds no error in any rung, of any lesion, on any CT."""

from __future__ import annotations

import copy
import logging

import pytest

from dicomnode.results import LADDER
from tests.dicomnode.results.lesions import ball_result, real_result
from tests.dicomnode.results.rungs import objects_of, twin_of
from tests.interop.peers import missing
from tests.interop.test_dciodvfy_rungs import PHANTOMS, REAL

pytestmark = [pytest.mark.interop, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def edition():
    try:
        from tests.interop.dicom_edition import load_edition
    except ImportError:
        missing("dicom-validator is not installed")
    return load_edition({str(rung.sop_class_uid) for rung in LADDER.values()})


def errors(made, edition, folder) -> int:
    from dicom_validator.validator.dicom_file_validator import DicomFileValidator

    path = folder / "object.dcm"
    made.save_as(path, enforce_file_format=True)
    (result,) = DicomFileValidator(edition, logging.ERROR).validate(path).values()
    assert str(result.sop_class_uid) in edition.iods
    return result.errors


def check(result, name, edition, folder):
    twins = [twin_of(one) for one in objects_of(result, "fractional-seg")]
    for made in objects_of(result, name, () if name == "fractional-seg" else twins):
        assert errors(made, edition, folder) == 0


@pytest.mark.parametrize("name", LADDER)
@pytest.mark.parametrize("phantom", PHANTOMS)
def test_lesions_of_phantoms(name, phantom, edition, tmp_path):
    check(PHANTOMS[phantom](), name, edition, tmp_path)


@pytest.mark.real_data
@pytest.mark.parametrize("name", LADDER)
@pytest.mark.parametrize("folder", REAL)
def test_lesions_on_real_ct(name, folder, edition, tmp_path):
    check(real_result(folder), name, edition, tmp_path)


@pytest.mark.parametrize(
    ("name", "keyword"),
    [
        ("fractional-seg", "MaximumFractionalValue"),  # 1C, if FRACTIONAL
        ("binary-seg", "SegmentSequence"),
        ("labelmap-seg", "Rows"),
        ("parametric-map", "ContentQualification"),
        ("report", "CompletionFlag"),
        ("iso-contours", "PresentationCreationDate"),
        ("secondary-capture", "ConversionType"),
        ("rtstruct", "StructureSetLabel"),
        ("key-object", "StudyInstanceUID"),
    ],
)
def test_an_error_is_found_where_there_is_one(name, keyword, edition, tmp_path):
    twins = [twin_of(one) for one in objects_of(ball_result(), "fractional-seg")]
    faulty = copy.deepcopy(objects_of(ball_result(), name, twins)[0])
    del faulty[keyword]
    assert errors(faulty, edition, tmp_path) > 0
