"""Marks that OHIF's own libraries write are read, and land where they were drawn."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series, save_series
from dicomnode.marks import ImagePlane, check_quality, off_plane_mm, place, read_marks
from pipelines.recist import RecistAxes
from tests.interop.peers import need, need_folder

pytestmark = pytest.mark.interop

FOLDER = Path(__file__).parent / "dcmjs"


def write_with_dcmjs(ct: Path, out: Path, form: str, axes: RecistAxes) -> pydicom.Dataset:
    need_folder(FOLDER / "node_modules", "run npm ci in tests/interop/dcmjs")
    points = np.concatenate([axes.long_axis, axes.short_axis]).tolist()
    subprocess.run(
        [need("node"), "write_bidirectional.mjs", str(ct), str(out), form, json.dumps(points)],
        cwd=FOLDER,
        check=True,
        timeout=120,
    )
    return pydicom.dcmread(out)


def affine(in_plane: tuple[float, float]) -> np.ndarray:
    """An oblique stack of 2.5 mm slices with these row and column spacings."""
    angle = np.radians(25)
    return np.array(
        [
            [0, 0, in_plane[1], -120],
            [-2.5 * np.sin(angle), in_plane[0] * np.cos(angle), 0, -90],
            [2.5 * np.cos(angle), in_plane[0] * np.sin(angle), 0, 40],
            [0, 0, 0, 1],
        ]
    )


# Pixels are square in the 2D case because @cornerstonejs/core 5.14 divides both pixel coordinates
# by the wrong one of the two spacings (worldToImageCoords); with square pixels that is no matter.
@pytest.mark.parametrize(("form", "in_plane"), [("2d", (0.7, 0.7)), ("3d", (0.7, 0.9))])
def test_a_bidirectional_mark_of_ohif_comes_back(tmp_path, form, in_plane):
    array = np.zeros((5, 64, 80), np.int16)
    volume = hd.Volume(array, affine(in_plane), coordinate_system="PATIENT")
    ct = ct_series(volume, CtSeriesDescription(f"test_dcmjs {form}"))
    paths = save_series(ct, tmp_path / "ct")
    planes = [ImagePlane.from_dataset(slice_, 2.5) for slice_ in ct]
    drawn = RecistAxes(
        planes[3].to_patient([[20.25, 30.5], [52.75, 34.0]]),
        planes[3].to_patient([[37.5, 22.0], [35.25, 43.5]]),
    )
    report = write_with_dcmjs(paths[3], tmp_path / "sr.dcm", form, drawn)

    reading = read_marks(report)
    assert reading.refusals == ()
    (mark,) = reading.marks
    assert mark.in_space is (form == "3d")
    assert mark.stated_long_mm == pytest.approx(drawn.long_mm, abs=0.01)
    assert mark.stated_short_mm == pytest.approx(drawn.short_mm, abs=0.01)
    assert mark.tracking_id == "Cornerstone3DTools@^0.1.0:Bidirectional"
    assert (mark.finding.value, mark.site.value) == ("52988006", "39607008")
    if mark.in_space:
        slice_index = int(np.argmin([off_plane_mm(mark, plane) for plane in planes]))
    else:
        slice_index = [s.SOPInstanceUID for s in ct].index(mark.referenced_sop_instance_uid)
    assert slice_index == 3
    axes = place(mark, planes[slice_index])
    np.testing.assert_allclose(axes.long_axis, drawn.long_axis, atol=0.01)
    np.testing.assert_allclose(axes.short_axis, drawn.short_axis, atol=0.01)
    assert check_quality(mark, axes) == ()
