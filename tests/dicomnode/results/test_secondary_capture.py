"""A picture lies in space where what it shows lies, and says on its face what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless
from scipy.spatial.transform import Rotation

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import RecistMark
from dicomnode.pictures.field_of_view import field_of_view
from dicomnode.results import EmptyMask, UnusableGeometry
from dicomnode.results.drawn_marks import drawn_marks
from dicomnode.results.secondary_capture import (
    SecondaryCaptureSettings,
    drawn_slices,
    secondary_capture,
)
from tests.dicomnode.results.lesions import (
    ball_result,
    file_of,
    lesion_result,
    soft_mask,
    volume,
)

SMALL = SecondaryCaptureSettings(size=128, window=(-1000, 1000))


def hu_of(result, value=-900.0):
    slices = result.mask.alpha.array.shape[0]
    return np.full((slices, result.slices[0].Rows, result.slices[0].Columns), value, np.float32)


def pictures(result, settings_=SMALL, **more):
    made = secondary_capture(result, settings_, hu=hu_of(result), **more)
    return [pydicom.dcmread(file_of(one)) for one in made]


def in_space(picture, columns, rows):
    """LPS mm of pixel centres, by what the picture says of itself (PS3.3 C.7.6.2.1.1)."""
    along_row, along_column = np.array(picture.ImageOrientationPatient, float).reshape(2, 3)
    down, across = (float(v) for v in picture.PixelSpacing)
    position = np.array(picture.ImagePositionPatient, float)
    return position + np.outer(columns, along_row * across) + np.outer(rows, along_column * down)


near = st.floats(0.5, 1.5)


@given(
    angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    spacing=st.tuples(near, near, near),
    descending=st.booleans(),
    column=st.integers(0, 6),
)
@settings(max_examples=10, deadline=None)
def test_the_tint_lies_where_the_lesion_lies(angles, spacing, descending, column):
    ct_volume = volume(Rotation.from_euler("xyz", angles), spacing, descending)
    # Below the words that are burned in.
    alpha = np.zeros((2, 7, 9), np.float32)
    alpha[:, 4:7, column : column + 3] = 1
    result = lesion_result(
        soft_mask(ct_volume, alpha), ct_series(ct_volume, CtSeriesDescription("tint"))
    )
    large = replace(SMALL, size=512, levels=(0.5,))
    for index, picture in enumerate(pictures(result, large)):
        pixels = picture.pixel_array[:-96].astype(int)
        rows, columns = np.nonzero(pixels[..., 1] > pixels[..., 0] + 30)
        found = in_space(picture, columns, rows).mean(axis=0)
        indices = [2 + index, 5 + 5, 6 + column + 1]
        expected = ct_volume.affine[:3, :3] @ indices + ct_volume.affine[:3, 3]
        assert np.linalg.norm(found - expected) < 0.1


def test_a_picture_has_the_place_and_size_that_it_says():
    result = ball_result(spacing=(2.0, 0.6, 0.8))
    for index, picture in zip(drawn_slices(result, SMALL), pictures(result), strict=True):
        source = result.slices[index]
        assert picture.FrameOfReferenceUID == source.FrameOfReferenceUID
        assert picture.ImageOrientationPatient == source.ImageOrientationPatient
        assert picture.PixelSpacing[0] == picture.PixelSpacing[1]
        # The whole slice is shown: 20 x 32.8 mm are less than the least field of view.
        width = picture.Columns * float(picture.PixelSpacing[1])
        assert width == pytest.approx(source.Columns * 0.8, rel=0.02)
        corner = in_space(picture, [-0.5], [-0.5])[0]
        expected = np.array(source.ImagePositionPatient, float) - [0.4, 0.3, 0]
        np.testing.assert_allclose(corner, expected, atol=0.01)
        assert picture.SourceImageSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_every_picture_says_that_it_is_research():
    result = ball_result()
    for picture in pictures(result, SecondaryCaptureSettings(references="all")):
        assert picture.BurnedInAnnotation == "YES"
        assert picture.RecognizableVisualFeatures == "NO"
        assert picture.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert "not for diagnosis" in picture.DerivationDescription
        assert "RESEARCH" in picture.SeriesDescription
        amber = np.abs(picture.pixel_array[:30].astype(int) - (255, 176, 0)).max(axis=-1) < 8
        assert amber.sum() > 300
        named = {item.ReferencedSOPInstanceUID for item in picture.ReferencedInstanceSequence}
        assert named == {"1.2.5"}


def test_pictures_are_one_series_in_order():
    result = ball_result()
    made = pictures(result)
    assert len({one.SeriesInstanceUID for one in made}) == 1
    assert len({one.SOPInstanceUID for one in made}) == len(made)
    assert [one.InstanceNumber for one in made] == [1000 + i + 1 for i in range(len(made))]
    second = pictures(replace(result, number=2))
    assert second[0].InstanceNumber == 2001


def test_a_repeat_gives_the_same_uids_and_pixels():
    result = ball_result()
    for first, second in zip(pictures(result), pictures(result), strict=True):
        assert first.PixelData == second.PixelData
        assert first.SOPInstanceUID == second.SOPInstanceUID
    other = pictures(result, replace(SMALL, size=160))
    assert other[0].SOPInstanceUID != pictures(result)[0].SOPInstanceUID
    assert other[0].SeriesInstanceUID != pictures(result)[0].SeriesInstanceUID


@pytest.mark.parametrize("syntax", [JPEGLSLossless, ExplicitVRLittleEndian])
def test_either_syntax_holds_the_same_pixels(syntax):
    result = ball_result()
    pixels = [one.pixel_array for one in pictures(result)]
    for expected, one in zip(
        pixels, pictures(result, replace(SMALL, transfer_syntax_uid=syntax)), strict=True
    ):
        assert one.file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(one.pixel_array, expected)


def test_a_mark_is_drawn_on_its_own_slice_only():
    result = ball_result()
    elsewhere = RecistMark(
        np.array([[2.0, 3.0], [9.0, 3.0]]), None, "1.2.5", "1", referenced_sop_instance_uid="9.9"
    )
    without = replace(result, mark=LesionMark.of(elsewhere))
    key = result.mark.axes.referenced_sop_instance_uid
    for index, one, other in zip(
        drawn_slices(result, SMALL), pictures(result), pictures(without), strict=True
    ):
        differs = (one.pixel_array != other.pixel_array).any()
        assert differs == (result.slices[index].SOPInstanceUID == key)


def test_lines_in_space_and_outlines_find_their_slices():
    result = ball_result()
    z = float(result.slices[2].ImagePositionPatient[2])
    here = result.slices[0].FrameOfReferenceUID
    square = np.array([[-40.0, -35, z], [-30, -35, z], [-30, -30, z]])

    def outline(points, frame_of_reference):
        return Opinion(
            outline=Outline(
                (Contour(points),), "1.2", "1", frame_of_reference_uid=frame_of_reference
            )
        )

    axes = RecistMark(square[:2], None, "1.2", "1", frame_of_reference_uid=here)
    pixels = Outline(
        (Contour([[1, 1], [5, 1], [5, 5]], result.slices[3].SOPInstanceUID),), "1", "1"
    )
    opinions = (
        Opinion(axes=axes),
        outline(square, here),
        outline(square, "9.9"),
        outline(square + 100, here),
        Opinion(outline=pixels),
    )
    found = drawn_marks(replace(result, mark=LesionMark(opinions)), range(1, 5))
    assert {index: [closed for _, closed in lines] for index, lines in found.items()} == {
        2: [False, True],
        3: [True],
    }
    np.testing.assert_allclose(found[2][0][0], [[13, 5 / 0.6 + 0.5], [25.5, 5 / 0.6 + 0.5]])


def test_a_window_may_be_given():
    result = ball_result()
    dark, bright = (
        pictures(result, replace(SMALL, window=window))[0].pixel_array[60, 5].tolist()
        for window in ((-800, 400), (-2000, -950))
    )
    assert dark == [0, 0, 0]
    assert bright == [255, 255, 255]


@pytest.mark.parametrize(
    ("hu", "low"), [(-850.0, -1350.0), (40.0, -160.0)], ids=["lung", "soft tissue"]
)
def test_the_window_follows_the_surroundings(hu, low):
    result = ball_result()
    (picture, *_) = secondary_capture(result, replace(SMALL, window=None), hu=hu_of(result, hu))
    level = pydicom.dcmread(file_of(picture)).pixel_array[60, 5, 0]
    width = 1500 if low < -1000 else 400
    assert level == pytest.approx((hu - low) / width * 255, abs=1)


def test_what_cannot_be_drawn_is_refused():
    result = ball_result()
    with pytest.raises(ValueError, match="found HU of shape"):
        secondary_capture(result, SMALL, hu=hu_of(result)[1:])
    faint = replace(result.mask, alpha=result.mask.alpha.with_array(result.mask.alpha.array / 8))
    with pytest.raises(EmptyMask):
        pictures(replace(result, mask=faint))
    with pytest.raises(UnusableGeometry):
        pictures(replace(result, slices=result.slices[::-1]))
    with pytest.raises(ValueError, match="levels"):
        SecondaryCaptureSettings(levels=(0.5, 0.25))
    with pytest.raises(ValueError, match="lower bound first"):
        SecondaryCaptureSettings(window=(100, -100))
    with pytest.raises(ValueError, match="field of view"):
        SecondaryCaptureSettings(size=10)


@pytest.mark.parametrize("smooth", [True, False])
def test_resampling_on_the_same_grid_changes_nothing(smooth):
    image = np.random.default_rng(0).random((12, 9)).astype(np.float32)
    view = field_of_view((0, 0, 9, 12), image.shape, (1.0, 1.0), 50.0, 12)
    assert (view.height, view.width, view.pixel_mm) == (12, 9, 1.0)
    np.testing.assert_allclose(view.resample(image, smooth), image, atol=1e-6)


@given(
    st.integers(8, 200),
    st.integers(8, 200),
    st.floats(0.3, 3),
    st.floats(0.3, 3),
    st.floats(20, 200),
    st.data(),
)
def test_a_field_of_view_stays_within_its_slice_and_holds_the_lesion(
    rows, columns, row_spacing, column_spacing, least, data
):
    left, top = data.draw(st.integers(0, columns - 2)), data.draw(st.integers(0, rows - 2))
    right = data.draw(st.integers(left + 1, columns - 1))
    bottom = data.draw(st.integers(top + 1, rows - 1))
    spacing = (row_spacing, column_spacing)
    view = field_of_view((left, top, right, bottom), (rows, columns), spacing, least, 128)
    corners = view.to_picture([[left, top], [right, bottom]])
    assert (corners > -0.51).all()
    assert (corners < np.array([view.width, view.height]) + 0.51).all()
    assert view.left_mm >= 0
    assert view.top_mm >= 0
    slack = view.pixel_mm
    assert view.left_mm + view.width * view.pixel_mm <= columns * column_spacing + slack
    assert view.top_mm + view.height * view.pixel_mm <= rows * row_spacing + slack
    assert view.pixel_mm <= min(spacing)
