"""A result names the frames that it was made on, and those only."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pytest

from dicomnode.frames import frame_headers
from dicomnode.marks import read_marks
from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.results import Equipment, LesionResult, fractional_seg
from dicomnode.results.binary_seg import binary_seg
from dicomnode.results.labelmap_seg import labelmap_seg
from dicomnode.results.ladder import LADDER
from dicomnode.results.source_frames import stand_in
from pipelines.measure import measure
from pipelines.soft_mask import SoftMask
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of
from tests.dicomnode.studies import study


@pytest.fixture(scope="module")
def made():
    return study("source frames")


@pytest.fixture(scope="module")
def mask(made):
    alpha = np.random.default_rng(0).random((5, 8, 9)).astype(np.float32)
    grid = made.volume[10:15, 20:28, 30:39]
    trimap = grid.with_array(np.ones(alpha.shape, np.uint8))
    return SoftMask(grid.with_array(alpha), trimap, "closed_form", {}, (10, 20, 30))


def seg(made, mask, headers, frames, make=fractional_seg, **settings) -> hd.seg.Segmentation:
    mark = LesionMark((Opinion(axes=read_marks(made.report).marks[0]),))
    slices, stand_ins = stand_in(headers, frames or [None] * len(headers))
    result = LesionResult(
        mask, slices, mark, measure(mask), "digest", Equipment("1.2.3"), (), stand_ins
    )
    return make(result, replace(_settings_of(make), **settings))


def _settings_of(make):
    return next(rung.settings() for rung in LADDER.values() if rung.make is make)


def sources(seg: hd.seg.Segmentation) -> dict[float, tuple[str, str, int | None]]:
    """Height of each frame to the image and frame that it says it was made of."""
    found = {}
    for group in seg.PerFrameFunctionalGroupsSequence:
        (item,) = group.DerivationImageSequence[0].SourceImageSequence
        place = float(group.PlanePositionSequence[0].ImagePositionPatient[2])
        found[place] = (
            item.ReferencedSOPClassUID,
            item.ReferencedSOPInstanceUID,
            item.get("ReferencedFrameNumber"),
        )
    return found


@pytest.mark.parametrize("make", [fractional_seg, binary_seg, labelmap_seg])
@pytest.mark.parametrize("omit_empty_frames", [True, False])
def test_each_frame_names_its_source_frame(made, mask, omit_empty_frames, make):
    order = np.random.default_rng(2).permutation(len(made.ct))
    ct = enhanced_ct([frames_of(made.ct)[i] for i in order])
    numbers = (np.argsort(order) + 1).tolist()
    headers = frame_headers(ct, numbers)
    result = seg(made, mask, headers, numbers, make, omit_empty_frames=omit_empty_frames)
    covered = range(10, 15) if omit_empty_frames else range(len(made.ct))
    assert sources(result) == {
        float(made.ct[i].ImagePositionPatient[2]): (
            ct.SOPClassUID,
            ct.SOPInstanceUID,
            numbers[i],
        )
        for i in covered
    }
    (image,) = result.SourceImageSequence
    assert image.ReferencedSOPInstanceUID == ct.SOPInstanceUID
    assert image.ReferencedFrameNumber == sorted(numbers[i] for i in covered)
    (series,) = result.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == ct.SeriesInstanceUID
    (instance,) = series.ReferencedInstanceSequence
    assert instance.ReferencedSOPInstanceUID == ct.SOPInstanceUID
    assert "ReferencedFrameNumber" not in instance


def test_the_parts_of_a_concatenation_are_each_named(made, mask):
    frames = frames_of(made.ct)
    parts = [enhanced_ct(frames[:12], part=(1, 2)), enhanced_ct(frames[12:], part=(2, 2))]
    headers = [header for part in parts for header in frame_headers(part, range(1, 13))]
    numbers = [*range(1, 13), *range(1, 13)]
    result = seg(made, mask, headers, numbers)
    named = {(uid, number) for _, uid, number in sources(result).values()}
    first, second = (part.SOPInstanceUID for part in parts)
    assert named == {(first, 11), (first, 12), (second, 1), (second, 2), (second, 3)}
    (series,) = result.ReferencedSeriesSequence
    uids = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert uids == {first, second}


def test_pixels_and_places_are_those_on_single_slices(made, mask):
    ct = enhanced_ct(frames_of(made.ct))
    numbers = list(range(1, len(made.ct) + 1))
    of_frames = seg(made, mask, frame_headers(ct, numbers), numbers)
    of_slices = seg(made, mask, made.ct, None)
    assert of_frames.PixelData == of_slices.PixelData
    assert sources(of_frames).keys() == sources(of_slices).keys()
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert of_frames.get(keyword) == of_slices.get(keyword)
