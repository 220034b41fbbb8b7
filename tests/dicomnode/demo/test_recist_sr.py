"""A written report holds the marks that it was given, where they were drawn."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, nearest_slice, recist_report
from dicomnode.marks import ImagePlane, place, read_marks
from pipelines.recist import RecistAxes


@pytest.fixture(scope="module")
def ct():
    angle = np.radians(20)
    affine = np.array(
        [
            [0, 0, 0.8, -50],
            [-2 * np.sin(angle), 0.6 * np.cos(angle), 0, -40],
            [2 * np.cos(angle), 0.6 * np.sin(angle), 0, 10],
            [0, 0, 0, 1],
        ]
    )
    volume = hd.Volume(np.zeros((5, 32, 40), np.int16), affine, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_recist_sr"))


def drawn(ct, index, lift=0.0) -> RecistAxes:
    plane = ImagePlane.from_dataset(ct[index])
    return RecistAxes(
        plane.to_patient([[10, 12], [30, 14]]) + lift * plane.normal,
        plane.to_patient([[21, 5], [19, 20]]) + lift * plane.normal,
    )


@pytest.mark.parametrize("coordinates", Coordinates)
def test_marks_come_back_where_they_were_drawn(ct, coordinates):
    marks = [DrawnMark(drawn(ct, index), f"T{index}") for index in (1, 3)]
    reading = read_marks(recist_report(marks, ct, "seed", coordinates=coordinates))
    assert [mark.tracking_id for mark in reading.marks] == ["T1", "T3"]
    for mark, index in zip(reading.marks, (1, 3), strict=True):
        axes = place(mark, ImagePlane.from_dataset(ct[index], 2.0))
        np.testing.assert_allclose(axes.long_axis, drawn(ct, index).long_axis, atol=0.001)
        np.testing.assert_allclose(axes.short_axis, drawn(ct, index).short_axis, atol=0.001)


def test_a_mark_with_one_axis(ct):
    axes = RecistAxes(drawn(ct, 2).long_axis)
    (mark,) = read_marks(recist_report([DrawnMark(axes, "T1")], ct, "seed")).marks
    assert mark.short_axis is None


def test_a_mark_between_slices_goes_to_the_nearest(ct):
    planes = [ImagePlane.from_dataset(dataset) for dataset in ct]
    assert nearest_slice(drawn(ct, 2, lift=0.9), planes) == 2
    assert nearest_slice(drawn(ct, 2, lift=1.1), planes) in (1, 3)


def test_a_mark_far_from_all_slices_is_refused(ct):
    with pytest.raises(ValueError, match="off the mark"):
        recist_report([DrawnMark(drawn(ct, 4, lift=60), "T1")], ct, "seed")


def test_uids_follow_from_the_seed(ct):
    marks = [DrawnMark(drawn(ct, 2), "T1")]
    first, second, other = (recist_report(marks, ct, seed) for seed in ("a", "a", "b"))
    assert first.SOPInstanceUID == second.SOPInstanceUID != other.SOPInstanceUID


def test_impossible_reports_are_refused(ct):
    with pytest.raises(ValueError, match="0 marks"):
        recist_report([], ct, "seed")
    with pytest.raises(ValueError, match="SCOORD3D"):
        recist_report(
            [DrawnMark(drawn(ct, 2), "T1")],
            ct,
            "seed",
            coordinates=Coordinates.SPACE,
            comprehensive_3d=False,
        )
