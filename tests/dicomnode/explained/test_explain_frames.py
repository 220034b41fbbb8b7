"""What is explained of marks on frames of enhanced CT."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.explained import CtFolder, explain_reading
from dicomnode.explained.item import Outcome
from dicomnode.marks import read_marks
from dicomnode.pictures.marks_on_slices import save_marks_on_slices
from tests.dicomnode.enhanced_ct import (
    FrameOf,
    enhanced_ct,
    frames_of,
    hounsfield,
    naming_frames,
    naming_the_whole,
)
from tests.dicomnode.mask_objects import ball, circles, segmentation, structure_set
from tests.dicomnode.studies import save, study


@pytest.fixture(scope="module")
def made():
    return study("explained frames")


@pytest.fixture(scope="module")
def ct(made):
    return enhanced_ct(frames_of(made.ct))


@pytest.fixture(scope="module")
def folder(ct, tmp_path_factory):
    path = tmp_path_factory.mktemp("ct")
    save([ct], path)
    return CtFolder.read(path)


def test_a_mark_is_drawn_on_the_frame_that_it_names(made, ct, folder, tmp_path):
    report = naming_frames(made.report, [ct], frames_of(made.ct))
    (item,) = explain_reading(read_marks(report), folder)
    assert item.outcome is Outcome.TAKEN
    assert item.images == ((ct.SOPInstanceUID, 13),)
    assert item.found_image == f"{ct.SOPInstanceUID}#13"
    assert item.axes[0].length_mm == pytest.approx(12.0, abs=0.01)
    np.testing.assert_array_equal(item.drawing.slice.hounsfield(), hounsfield(made.ct[12]))
    assert save_marks_on_slices([item], tmp_path / "marks.png") == 1


@pytest.mark.parametrize("form", ["axes", "structures"])
def test_a_mark_on_the_image_that_was_divided_is_drawn_on_its_part(made, form, tmp_path):
    frames = frames_of(made.ct)
    parts = [enhanced_ct(frames[:12], part=(1, 2)), enhanced_ct(frames[12:], part=(2, 2))]
    save(parts, tmp_path)
    marks = made.report if form == "axes" else structure_set(made, [circles(made)])
    named = naming_the_whole(naming_frames(marks, parts, frames), parts)
    (item,) = explain_reading(read_marks(named), CtFolder.read(tmp_path))
    assert item.outcome is Outcome.TAKEN
    assert item.found_image == f"{parts[1].SOPInstanceUID}#1"


def test_a_mark_in_space_finds_its_frame(made, ct, folder):
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "explained", coordinates=Coordinates.SPACE)
    (item,) = explain_reading(read_marks(report), folder)
    assert item.found_image == f"{ct.SOPInstanceUID}#13"


@pytest.mark.parametrize("form", ["structures", "segments"])
def test_masks_are_drawn_on_their_largest_frame(made, ct, folder, form, tmp_path):
    marks = (
        structure_set(made, [circles(made)])
        if form == "structures"
        else segmentation(made.ct, [ball()])
    )
    named = naming_frames(marks, [ct], frames_of(made.ct))
    (parcel,) = save([named], tmp_path)
    (item,) = explain_reading(read_marks(pydicom.dcmread(parcel.path)), folder)
    assert item.outcome is Outcome.TAKEN
    assert item.found_image == f"{ct.SOPInstanceUID}#13"


@pytest.mark.parametrize("number", [None, 25])
def test_an_image_of_frames_without_the_one_named_is_refused(made, ct, folder, number):
    report = naming_frames(made.report, [ct], frames_of(made.ct))
    for item in report.ContentSequence:
        _number(item, number)
    (item,) = explain_reading(read_marks(report), folder)
    assert item.outcome is Outcome.REFUSED
    assert "24" in item.reasons[0]


def test_a_projection_is_no_slice(made, tmp_path):
    kind = ("DERIVED", "PRIMARY", "VOLUME", "MAXIMUM")
    frames = [FrameOf(image, position=i, kind=kind) for i, image in enumerate(made.ct, start=1)]
    ct = enhanced_ct(frames)
    save([ct], tmp_path)
    report = naming_frames(made.report, [ct], frames)
    (item,) = explain_reading(read_marks(report), CtFolder.read(tmp_path))
    assert item.outcome is Outcome.REFUSED
    assert "a MAXIMUM of CT values" in item.reasons[0]


def test_a_mark_in_space_on_two_phases_is_ambiguous(made, tmp_path):
    frames = [
        FrameOf(image, position=i, time=time)
        for i, image in enumerate(made.ct, start=1)
        for time in (1, 2)
    ]
    save([enhanced_ct(frames)], tmp_path)
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "phases", coordinates=Coordinates.SPACE)
    (item,) = explain_reading(read_marks(report), CtFolder.read(tmp_path))
    assert item.outcome is Outcome.REFUSED
    assert "2 stacks of frames" in item.reasons[0]


def _number(item, number: int | None) -> None:
    if "ReferencedFrameNumber" in item:
        if number is None:
            del item.ReferencedFrameNumber
        else:
            item.ReferencedFrameNumber = number
    for element in item:
        if element.VR == "SQ":
            for inner in element.value:
                _number(inner, number)
