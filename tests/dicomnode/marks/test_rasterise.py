"""An outline's mask holds exactly the pixels whose centres it encloses."""

from __future__ import annotations

import itertools
from fractions import Fraction

import cv2
import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dicomnode.marks import read_marks
from dicomnode.marks.arrays import mask_from_nifti
from dicomnode.marks.fill import Combination, TooMuchToFill, fill, fill_contours
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.placement import (
    ImagePlane,
    OffPlane,
    OtherFrameOfReference,
    OutsideImage,
)
from dicomnode.marks.rasterise import (
    ImageSlice,
    OtherImage,
    rasterise,
    recist_from_outline,
)
from pipelines.errors import EmptyMaskError
from tests.real_data import real

SHAPE = (12, 14)


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high]], dtype=float)


def contour(points, **more) -> Contour:
    return Contour(np.asarray(points, float), referenced_sop_instance_uid="1.2.1", **more)


def outline(*contours: Contour, space: str | None = None) -> Outline:
    return Outline(contours, "1.2.3", "1", frame_of_reference_uid=space)


def side_of_centre(points, column: int, row: int) -> str:
    """Exact oracle in fractions: inside, outside, or on the curve; one pixel at a time."""
    x, y = Fraction(2 * column + 1, 2), Fraction(2 * row + 1, 2)
    corners = [(Fraction(float(a)), Fraction(float(b))) for a, b in points]
    inside = False
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        if cross == 0 and min(ax, bx) <= x <= max(ax, bx) and min(ay, by) <= y <= max(ay, by):
            return "on"
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return "in" if inside else "out"


SMALL = (7, 8)
grid = st.integers(-4, 20).map(lambda n: n / 2)
fine = st.integers(-2048, 10240).map(lambda n: n / 1024)
polygons = st.lists(st.tuples(grid, grid), min_size=3, max_size=9)


@settings(max_examples=100, deadline=None)
@given(polygons)
@example([(0.5, 0.5), (5.5, 0.5), (5.5, 0.5), (5.5, 4.5)])
@example([(2.0, 2.0), (2.0, 2.0), (2.0, 2.0)])
def test_every_centre_is_on_the_side_that_exact_arithmetic_finds(points):
    with_edge = fill(points, SMALL)
    without = fill(points, SMALL, edge_is_inside=False)
    for row in range(SMALL[0]):
        for column in range(SMALL[1]):
            side = side_of_centre(points, column, row)
            assert with_edge[row, column] == (side != "out")
            assert without[row, column] == (side == "in")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(fine, fine), min_size=3, max_size=12))
def test_any_floating_points_agree_with_exact_arithmetic_away_from_the_curve(points):
    mask = fill(points, SMALL)
    strict = fill(points, SMALL, edge_is_inside=False)
    for row, column in np.argwhere(mask == strict).tolist():
        assert mask[row, column] == (side_of_centre(points, column, row) == "in")


def test_start_and_direction_do_not_matter():
    points = np.random.default_rng(3).uniform(0, 12, (20, 2))
    expected = fill(points, SHAPE)
    assert expected.any()
    for shift in range(20):
        np.testing.assert_array_equal(fill(np.roll(points, shift, axis=0), SHAPE), expected)
        np.testing.assert_array_equal(fill(points[::-1], SHAPE), expected)


def test_agrees_with_opencv_on_outlines_of_pixels():
    rng = np.random.default_rng(7)
    for _ in range(20):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 15))
        radius = rng.uniform(4, 30, 15)
        pixels = np.rint(40 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))
        theirs = np.zeros((80, 80), np.uint8)
        cv2.fillPoly(theirs, [pixels.astype(np.int32)], 1)
        drawn = np.zeros((80, 80), np.uint8)
        cv2.polylines(drawn, [pixels.astype(np.int32)], True, 1)
        ours = fill(pixels + 0.5, (80, 80))
        # OpenCV sets all pixels that its line touches as well; inside of it we are the same.
        np.testing.assert_array_equal(ours & (drawn == 0), (theirs & ~drawn) == 1)


def test_the_area_of_a_disc_converges():
    angle = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    points = 300 + 200.3 * np.stack([np.cos(angle), np.sin(angle)], 1)
    assert fill(points, (600, 600)).sum() == pytest.approx(np.pi * 200.3**2, rel=1e-3)


def test_pixel_borders_are_at_whole_numbers():
    assert fill(square(2, 5), SHAPE).sum() == 9
    assert fill(square(2.5, 5.5), SHAPE).sum() == 16
    assert fill(square(2.5, 5.5), SHAPE, edge_is_inside=False).sum() == 4


def test_what_lies_outside_of_the_image_is_cut_off():
    assert fill(square(-100, 100), SHAPE).all()
    assert not fill(square(100, 200), SHAPE).any()
    assert fill(square(-3, 2), SHAPE).sum() == 4


@pytest.mark.parametrize("inner_direction", [1, -1])
def test_a_keyhole_leaves_its_hole_empty(inner_direction):
    inner = square(4, 6)[::inner_direction]
    inner = np.concatenate([inner, inner[:1]])
    outer = square(1, 9)
    points = np.concatenate([outer, outer[:1], inner])  # and back to the first, along the slit
    mask = fill(points, SHAPE)
    assert mask.sum() == 64 - 4
    assert not mask[4:6, 4:6].any()


def test_a_hole_takes_its_edge_with_it_exactly_if_the_edge_is_no_lesion():
    outer = contour(square(1, 11))
    for edge_is_inside, left in ((True, 100 - 9), (False, 100 - 25)):
        hole = contour(square(3.5, 7.5), encloses_lesion=False, edge_is_inside=edge_is_inside)
        assert fill_contours([outer, hole], SHAPE).sum() == left


def test_islands_join_and_an_odd_number_of_curves_encloses():
    curves = [contour(square(0, 10)), contour(square(2, 8)), contour(square(4, 6))]
    assert fill_contours(curves, SHAPE).sum() == 100
    assert fill_contours(curves, SHAPE, Combination.ODD).sum() == 100 - 36 + 4
    apart = [contour(square(0, 3)), contour(square(5, 8))]
    for combination in Combination:
        assert fill_contours(apart, SHAPE, combination).sum() == 18


def test_an_island_in_a_hole_is_lesion_whatever_comes_first():
    rings = [contour(square(0, 12)), contour(square(2, 10), encloses_lesion=False)]
    rings += [contour(square(4, 8)), contour(square(5, 7), encloses_lesion=False)]
    for order in itertools.permutations(rings):
        assert fill_contours(order, SHAPE).sum() == 144 - 64 + 16 - 4


def test_the_edge_of_an_odd_hole_is_lesion_as_it_says():
    for edge_is_inside, left in ((True, 100 - 9), (False, 100 - 25)):
        inner = contour(square(3.5, 7.5), edge_is_inside=edge_is_inside)
        curves = [contour(square(1, 11)), inner]
        assert fill_contours(curves, SHAPE, Combination.ODD).sum() == left


def test_too_much_work_is_refused():
    zigzag = np.stack([np.arange(50_000) % 7, np.where(np.arange(50_000) % 2, 0, 511)], 1)
    with pytest.raises(TooMuchToFill):
        fill(zigzag, (512, 512))


def test_too_many_contours_are_refused(monkeypatch):
    monkeypatch.setattr("dicomnode.marks.rasterise.MAX_AREA", 200)
    curve = Contour(square(2, 8), "1.2.1")
    assert rasterise(outline(*[curve] * 3), series()).sum() == 36
    with pytest.raises(TooMuchToFill):
        rasterise(outline(*[curve] * 4), series())


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e9])
def test_absurd_points_are_refused(bad):
    with pytest.raises(ValueError, match="points"):
        fill([[0, 0], [1, bad], [2, 2]], SHAPE)


def series(count: int = 5, spacing: float = 2.0) -> list[ImageSlice]:
    oblique = np.array([np.cos(0.3), 0, np.sin(0.3)])
    normal = np.cross(oblique, [0, 1, 0])
    return [
        ImageSlice(
            f"1.2.{k}",
            ImagePlane(
                tuple(np.array([-10.0, 5.0, 30.0]) + k * spacing * normal),
                (*oblique, 0.0, 1.0, 0.0),
                (0.5, 0.8),
                24,
                30,
                "1.9",
                spacing,
            ),
        )
        for k in range(count)
    ]


def test_contours_in_space_and_in_pixels_give_the_same_mask():
    images = series()
    points = np.array([[4.2, 5.1], [20.3, 6.0], [15.7, 18.9]])
    in_pixels = outline(
        *(
            Contour(points, referenced_sop_instance_uid=image.sop_instance_uid)
            for image in images[1:3]
        )
    )
    in_space = outline(*(Contour(i.plane.to_patient(points)) for i in images[1:3]), space="1.9")
    expected = rasterise(in_pixels, images)
    assert [mask.any() for mask in expected] == [False, True, True, False, False]
    np.testing.assert_array_equal(rasterise(in_space, images), expected)


def test_frames_are_told_apart():
    (first, second) = (ImageSlice("1.2.0", s.plane, n) for n, s in enumerate(series(2), start=1))
    drawn = Contour(square(2, 5), "1.2.0", referenced_frame=2)
    mask = rasterise(outline(drawn), [first, second])
    assert not mask[0].any()
    assert mask[1].sum() == 9


def test_a_contour_that_has_no_place_is_refused():
    images = series()
    flat = images[2].plane.to_patient(square(3, 9))
    with pytest.raises(OtherImage):
        rasterise(outline(Contour(square(1, 3), "1.2.77")), images)
    with pytest.raises(OtherImage):
        rasterise(outline(Contour(square(1, 3), "1.2.1", referenced_frame=2)), images)
    with pytest.raises(OtherFrameOfReference):
        rasterise(outline(Contour(flat), space="1.8"), images)
    with pytest.raises(OffPlane):
        rasterise(outline(Contour(flat + 20 * images[0].plane.normal), space="1.9"), images)
    with pytest.raises(OutsideImage):
        rasterise(outline(Contour(square(20, 31), "1.2.1")), images)
    with pytest.raises(ValueError, match="sizes"):
        rasterise(outline(Contour(square(1, 3), "1.2.1")), [])


def test_axes_are_measured_where_the_outline_is_largest():
    images = series()
    box = np.array([[2, 3], [22, 3], [22, 9], [2, 9]], float)  # 20 x 6 pixels, 16 x 3 mm
    small = Contour(square(4, 8), images[0].sop_instance_uid)
    axes = recist_from_outline(outline(small, Contour(box, images[3].sop_instance_uid)), images)
    assert axes.long_mm == pytest.approx(np.hypot(16, 3))
    corners = images[3].plane.to_patient([[2, 3], [22, 9], [2, 9], [22, 3]])
    for end in axes.long_axis:
        assert np.linalg.norm(corners - end, axis=1).min() < 1e-9
    assert images[3].plane.distance_mm(axes.short_axis).max() < 1e-9
    with pytest.raises(EmptyMaskError):
        recist_from_outline(outline(Contour(square(1.6, 1.9), "1.2.1")), images)


@pytest.mark.real_data
def test_a_real_structure_set_is_the_voxel_mask_that_was_published_with_it():
    """IBSI's CT phantom: 26 contours and 125,256 voxels, from other people's software."""
    folder = real("ibsi_ct")
    images = [pydicom.dcmread(path) for path in (folder / "ct").glob("*.dcm")]
    images.sort(key=lambda image: image.ImagePositionPatient[2])
    series = [
        ImageSlice(image.SOPInstanceUID, ImagePlane.from_dataset(image, 3.0)) for image in images
    ]
    (path,) = (folder / "rtstruct").glob("*.dcm")
    (gtv,) = read_marks(pydicom.dcmread(path)).outlines
    mask = rasterise(gtv, series)
    volume = hd.get_volume_from_series(images)
    if volume.affine[2, 0] < 0:
        volume = volume.flip_spatial(0)
    published = mask_from_nifti(folder / "nifti_mask" / "mask.nii.gz", volume)
    assert mask.sum() == 125_256
    np.testing.assert_array_equal(mask, published)
