"""Every rung names the frames of an enhanced CT that it was made on, and lies where they lie."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from scipy.spatial.transform import Rotation

from dicomnode.frames import read_frames
from dicomnode.marks import ImagePlane, read_marks
from dicomnode.marks.rasterise import ImageSlice, rasterise
from dicomnode.results import LADDER, MarkSource
from dicomnode.results.drawn_marks import drawn_marks
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of
from tests.dicomnode.results.enhanced_lesions import enhanced_result, on_frames
from tests.dicomnode.results.lesions import ball_result, file_of
from tests.dicomnode.results.rungs import objects_of, references

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GEOMETRIES = {
    "axial": {"spacing": (2.0, 0.7, 0.7)},
    "oblique": {"rotation": Rotation.from_euler("xyz", (0.1, 0.2, 0.3)), "descending": True},
}
NAMES_NO_CT = {"key-object"}

Named = tuple[str, int]


@pytest.fixture(scope="module", params=GEOMETRIES.values(), ids=GEOMETRIES)
def geometry(request):
    return request.param


@pytest.fixture(scope="module", params=[1, 2], ids=["one object", "concatenation"])
def made(request, geometry):
    """A lesion on frames, the objects that hold them, and where each frame lies."""
    result, objects = enhanced_result(request.param, **geometry)
    planes = {
        (one.SOPInstanceUID, frame.number): frame.plane
        for one in objects
        for frame in read_frames(pydicom.dcmread(file_of(one))).frames
    }
    return result, objects, planes


def saved(result, name, **settings) -> list[Dataset]:
    study = result.study_instance_uid
    twins = [MarkSource("1.2.840.10008.5.1.4.1.1.66.4", "1.2.80.1", study, "1.2.80")]
    return [pydicom.dcmread(file_of(one)) for one in objects_of(result, name, twins, **settings)]


def named(item: Dataset) -> Named:
    """The one frame that an item names."""
    return item.ReferencedSOPInstanceUID, int(item.ReferencedFrameNumber)


@pytest.mark.parametrize("name", LADDER)
def test_only_what_exists_is_named(name, made):
    result, objects, planes = made
    exists = {one.SOPInstanceUID: one.SOPClassUID for one in objects}
    others = {"1.2.80.1", result.study_instance_uid}
    others |= {source.sop_instance_uid for source in result.mark_sources}
    frames = set()
    for document in saved(result, name):
        assert not set(result.stand_ins.frames) & {str(e.value) for e in document.iterall()}
        for item in references(document):
            uid = item.ReferencedSOPInstanceUID
            assert item.ReferencedSOPClassUID != CTImageStorage
            if uid in exists:
                assert item.ReferencedSOPClassUID == exists[uid]
                numbers = item.get("ReferencedFrameNumber", [])
                numbers = [numbers] if isinstance(numbers, int) else numbers
                assert len(set(numbers)) == len(numbers)
                frames |= {(uid, int(number)) for number in numbers}
            else:
                assert uid in others
    assert frames <= set(planes)
    if name not in NAMES_NO_CT and not (name == "ohif-report" and not square(result)):
        assert frames


def square(result) -> bool:
    rows, columns = result.slices[0].PixelSpacing
    return rows == columns


@pytest.mark.parametrize("name", LADDER)
def test_an_image_is_listed_once_and_without_frames(name, made):
    result, objects, _ = made
    for document in saved(result, name):
        for element in document.iterall():
            if element.keyword != "ReferencedSeriesSequence":
                continue
            for series in element.value:
                listed = series.get("ReferencedInstanceSequence", ())
                listed = listed or series.get("ReferencedSOPSequence", ())
                assert all("ReferencedFrameNumber" not in item for item in listed)
                uids = [item.ReferencedSOPInstanceUID for item in listed]
                assert len(set(uids)) == len(uids)
                if series.SeriesInstanceUID == objects[0].SeriesInstanceUID and listed:
                    assert set(uids) <= {one.SOPInstanceUID for one in objects}


@pytest.mark.parametrize(
    "name", ["fractional-seg", "binary-seg", "band-seg", "labelmap-seg", "parametric-map"]
)
def test_each_frame_lies_on_the_frame_that_it_names(name, made):
    result, _, planes = made
    (document,) = saved(result, name, omit_empty_frames=False)
    for group in document.PerFrameFunctionalGroupsSequence:
        (derivation,) = group.DerivationImageSequence
        (item,) = derivation.SourceImageSequence
        position = group.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, planes[named(item)].position, atol=0.01)
    (image, *more) = document.SourceImageSequence
    assert len(more) == len({uid for uid, _ in planes}) - 1
    assert {
        (one.ReferencedSOPInstanceUID, int(number))
        for one in (image, *more)
        for number in one.ReferencedFrameNumber
    } == set(planes)


def test_pictures_lie_on_the_frame_that_they_name(made):
    result, _, planes = made
    seen = set()
    for picture in saved(result, "secondary-capture"):
        (item,) = picture.SourceImageSequence
        plane = planes[named(item)]
        corner = np.array([picture.ImagePositionPatient], dtype=float)
        assert plane.distance_mm(corner).max() < 0.01
        seen.add(named(item))
    assert len(seen) > 1


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_contours_come_back_onto_their_frames(level, made):
    result, _, planes = made
    images = [ImageSlice(uid, plane, number) for (uid, number), plane in planes.items()]
    expected = expected_above(result, level)
    (structures,) = saved(result, "rtstruct", levels=(level,))
    (outline,) = read_marks(structures).outlines
    np.testing.assert_array_equal(on_slices(rasterise(outline, images), images, result), expected)
    (region,) = structures.ROIContourSequence
    for contour in region.ContourSequence:
        plane = planes[named(contour.ContourImageSequence[0])]
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float)
        assert plane.distance_mm(points).max() < 0.01


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_curves_of_a_presentation_state_come_back_onto_their_frames(level, made):
    result, _, planes = made
    images = [ImageSlice(uid, plane, number) for (uid, number), plane in planes.items()]
    (state,) = saved(result, "iso-contours", levels=(level,))
    reading = read_marks(state)
    assert reading.refusals == ()
    found = sum(rasterise(outline, images).astype(int) for outline in reading.outlines)
    expected = expected_above(result, level)
    np.testing.assert_array_equal(on_slices(found.astype(bool), images, result), expected)
    # It applies to the frames that it draws on, and to no others.
    (series,) = state.ReferencedSeriesSequence
    applies = {
        (item.ReferencedSOPInstanceUID, int(number))
        for item in series.ReferencedImageSequence
        for number in np.atleast_1d(item.ReferencedFrameNumber)
    }
    assert applies == {
        (contour.referenced_sop_instance_uid, contour.referenced_frame)
        for outline in reading.outlines
        for contour in outline.contours
    }


@pytest.mark.parametrize("name", ["report", "ohif-report"])
def test_axes_come_back_where_they_were_measured(name, made):
    result, _, planes = made
    (document,) = saved(result, name)
    (mark,) = read_marks(document).marks
    axes = result.measurements.axes
    for found, expected in ((mark.long_axis, axes.long_axis), (mark.short_axis, axes.short_axis)):
        if not mark.in_space:
            plane = planes[mark.referenced_sop_instance_uid, mark.referenced_frame]
            found = plane.to_patient(found)
        np.testing.assert_allclose(found, expected, atol=0.01)


def test_the_readers_own_axes_are_found_on_their_frame(made):
    result, _, _ = made
    (document,) = saved(result, "report")
    codes = {
        item.ConceptNameCodeSequence[0].CodeValue
        for group in document.iterall()
        if group.keyword == "ContentSequence"
        for item in group.value
        if item.ValueType == "NUM"
    }
    assert {"1006", "1007", "1008", "1009"} <= codes
    regions = [
        item.ReferencedSOPSequence[0]
        for element in document.iterall()
        if element.keyword == "ContentSequence"
        for item in element.value
        if item.ValueType == "IMAGE" and "ReferencedFrameNumber" in item.ReferencedSOPSequence[0]
    ]
    axes = result.mark.axes
    marked = (axes.referenced_sop_instance_uid, axes.referenced_frame)
    assert {named(item) for item in regions} == {marked}


def test_the_readers_axes_are_drawn_on_their_frame_alone(made):
    result, _, _ = made
    axes = result.mark.axes
    marked = result.index_of(axes.referenced_sop_instance_uid, axes.referenced_frame)
    assert set(drawn_marks(result, range(len(result.slices)))) == {marked}
    assert drawn_marks(result, [marked + 1]) == {}


def test_lesions_on_two_phases_of_one_series_share_their_documents():
    slices = ball_result().slices
    ct = enhanced_ct([*frames_of(slices, time=1), *frames_of(slices, time=2)])
    results = [on_frames(ball_result(), [ct], range(k, k + len(slices))) for k in (0, len(slices))]
    for name in ("report", "rtstruct"):
        rung = LADDER[name]
        document = rung.make(results, rung.settings())
        frames = {
            int(number)
            for item in references(document)
            if "ReferencedFrameNumber" in item
            for number in np.atleast_1d(item.ReferencedFrameNumber)
        }
        assert min(frames) <= len(slices) < max(frames)
        phases = [
            {contour.referenced_frame > len(slices) for contour in outline.contours}
            for outline in read_marks(pydicom.dcmread(file_of(document))).outlines
        ]
        half = len(phases) // 2
        assert phases == [{False}] * half + [{True}] * half


def test_the_same_voxels_give_the_same_pixels_as_single_slices(geometry):
    frames, slices = enhanced_result(2, **geometry)[0], ball_result(**geometry)
    for name, keyword in (("binary-seg", "PixelData"), ("parametric-map", "FloatPixelData")):
        (one,), (other,) = objects_of(frames, name), objects_of(slices, name)
        assert one[keyword].value == other[keyword].value


def expected_above(result, level) -> np.ndarray:
    first = result.slices[0]
    mask = np.zeros((len(result.slices), first.Rows, first.Columns), bool)
    alpha, offset = result.mask.alpha.array, result.mask.offset
    mask[tuple(slice(o, o + n) for o, n in zip(offset, alpha.shape, strict=True))] = alpha >= level
    return mask


def on_slices(mask: np.ndarray, images: list[ImageSlice], result) -> np.ndarray:
    """A mask of frames in the order of the objects, put in the order of the stack."""
    planes = [ImagePlane.from_dataset(header) for header in result.slices]
    order = [
        int(np.argmin([np.linalg.norm(np.subtract(i.plane.position, p.position)) for i in images]))
        for p in planes
    ]
    return mask[order]
