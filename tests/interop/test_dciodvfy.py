"""dicom3tools' dciodvfy finds no error in anything that is written here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, Finding, recist_report
from dicomnode.marks import ImagePlane, read_marks
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.results import (
    Equipment,
    FractionalSegSettings,
    LesionResult,
    MarkSource,
    fractional_seg,
    to_explicit_le,
)
from pipelines.measure import measure
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask
from tests.interop.peers import need

pytestmark = pytest.mark.interop


def errors(dataset: Dataset, folder: Path) -> list[str]:
    """Error lines of dciodvfy; fails where it did not recognise the object at all."""
    path = folder / "object.dcm"
    dataset.save_as(path, enforce_file_format=True)
    done = subprocess.run(
        [need("dciodvfy"), str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert any(not line.startswith(("Error", "Warning")) for line in lines), "no IOD recognised"
    return [line for line in lines if line.startswith("Error")]


@pytest.fixture(scope="module")
def volume() -> hd.Volume:
    angle = np.radians(15)
    affine = np.array(
        [
            [0, 0, 0.8, -50],
            [-2.5 * np.sin(angle), 0.6 * np.cos(angle), 0, -40],
            [2.5 * np.cos(angle), 0.6 * np.sin(angle), 0, 10],
            [0, 0, 0, 1],
        ]
    )
    hu = np.random.default_rng(0).integers(-1000, 400, (6, 33, 41)).astype(np.int16)
    return hd.Volume(hu, affine, coordinate_system="PATIENT")


@pytest.fixture(scope="module")
def ct(volume) -> list[Dataset]:
    return ct_series(volume, CtSeriesDescription("test_dciodvfy"))


@pytest.fixture(scope="module")
def marks(ct) -> list[DrawnMark]:
    plane = ImagePlane.from_dataset(ct[2])
    both = RecistAxes(plane.to_patient([[10, 12], [24, 12]]), plane.to_patient([[16, 8], [16, 17]]))
    return [DrawnMark(both, "T1"), DrawnMark(RecistAxes(both.long_axis), "T2", Finding.NODULE)]


def seg(volume, ct, marks, **changes) -> hd.seg.Segmentation:
    report = recist_report(marks, ct, "test_dciodvfy")
    alpha = np.random.default_rng(0).random((3, 12, 14)).astype(np.float32)
    grid = volume[1:4, 6:18, 8:22]
    mask = SoftMask(
        grid.with_array(alpha),
        grid.with_array(np.ones(alpha.shape, np.uint8)),
        "closed_form",
        {"epsilon": 1e-5},
        (1, 6, 8),
    )
    source = MarkSource(
        report.SOPClassUID,
        report.SOPInstanceUID,
        report.StudyInstanceUID,
        report.SeriesInstanceUID,
    )
    mark = LesionMark.of(read_marks(report).marks[0])
    equipment = Equipment("1.2.3")
    result = LesionResult(mask, ct, mark, measure(mask), "digest", equipment, (source,))
    return fractional_seg(result, FractionalSegSettings(references="all", **changes))


def test_ct(ct, tmp_path):
    assert errors(ct[0], tmp_path) == []


@pytest.mark.parametrize("comprehensive_3d", [True, False])
def test_report(ct, marks, tmp_path, comprehensive_3d):
    report = recist_report(marks, ct, "test_dciodvfy", comprehensive_3d=comprehensive_3d)
    assert errors(report, tmp_path) == []


def test_report_in_space(ct, marks, tmp_path):
    report = recist_report(marks, ct, "test_dciodvfy", coordinates=Coordinates.SPACE)
    assert errors(report, tmp_path) == []


@pytest.mark.parametrize("syntax", [JPEGLSLossless, ExplicitVRLittleEndian])
@pytest.mark.parametrize("omit_empty_frames", [True, False])
def test_seg(volume, ct, marks, tmp_path, syntax, omit_empty_frames):
    changes = {"transfer_syntax_uid": syntax, "omit_empty_frames": omit_empty_frames}
    assert errors(seg(volume, ct, marks, **changes), tmp_path) == []


def test_transcoded_seg(volume, ct, marks, tmp_path):
    path = tmp_path / "compressed.dcm"
    seg(volume, ct, marks).save_as(path, enforce_file_format=True)
    assert errors(to_explicit_le(pydicom.dcmread(path)), tmp_path) == []


def test_the_check_finds_an_error_where_there_is_one(ct, tmp_path):
    faulty = pydicom.Dataset(ct[0])
    faulty.file_meta = ct[0].file_meta
    del faulty.PixelSpacing
    assert errors(faulty, tmp_path) != []
