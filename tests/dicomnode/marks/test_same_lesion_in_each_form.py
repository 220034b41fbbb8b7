"""One lesion written in each form lies at one place in space, on a tilted CT of oblong pixels."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.marks import ImagePlane, place, read_marks
from pipelines.recist import RecistAxes
from tests.dicomnode.marks.test_gsps import in_display_units
from tests.dicomnode.marks.test_rtstruct import contour, structure_set
from tests.dicomnode.presentation_states import graphic, presentation_state

LONG = [[10.25, 12.5], [30.75, 12.5]]
SHORT = [[20.5, 5.25], [20.5, 18.0]]


@pytest.fixture(scope="module")
def ct() -> list[Dataset]:
    c, s = np.cos(0.3), np.sin(0.3)
    tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = tilt @ np.array([[0, 0, 0.8], [0, 0.6, 0], [2.0, 0, 0]])
    affine[:3, 3] = [-50, -40, 10]
    volume = hd.Volume(np.zeros((3, 32, 40), np.int16), affine, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_same_lesion"))


@pytest.fixture(scope="module")
def plane(ct) -> ImagePlane:
    return ImagePlane.from_dataset(ct[1], slice_spacing=2.0)


@pytest.fixture(scope="module")
def axes(plane) -> RecistAxes:
    return RecistAxes(plane.to_patient(LONG), plane.to_patient(SHORT))


def write(form: str, ct, axes) -> Dataset:
    if form == "SR in pixels":
        return recist_report([DrawnMark(axes, "T1")], ct, "s")
    if form == "SR in space":
        return recist_report([DrawnMark(axes, "T1")], ct, "s", coordinates=Coordinates.SPACE)
    if form == "RTSTRUCT":
        lines = [contour(np.round(a, 4), "OPEN_PLANAR") for a in (axes.long_axis, axes.short_axis)]
        return structure_set(lines, space=ct[1].FrameOfReferenceUID)
    state = presentation_state([ct[1]], [graphic(SHORT), graphic(LONG)])
    if form == "GSPS of the display":
        in_display_units(state, 40, 32)
    return state


FORMS = ["SR in pixels", "SR in space", "GSPS", "GSPS of the display", "RTSTRUCT"]


@pytest.mark.parametrize("form", FORMS)
def test_a_lesion_lies_where_it_was_drawn(form, ct, plane, axes):
    reading = read_marks(write(form, ct, axes))
    assert reading.refusals == ()
    (mark,) = reading.marks
    placed = place(mark, plane)
    np.testing.assert_allclose(placed.long_axis, axes.long_axis, atol=1e-3)
    np.testing.assert_allclose(placed.short_axis, axes.short_axis, atol=1e-3)


def test_a_lesion_in_sr_and_gsps_has_one_key(ct, axes):
    keys = {read_marks(write(form, ct, axes)).marks[0].key for form in ("SR in pixels", "GSPS")}
    assert len(keys) == 1
