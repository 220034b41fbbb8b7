"""Surface distances in mm, by hand and against another library."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from pipelines.errors import EmptyMaskError
from pipelines.metrics import surface_distances

SPACING = (2.0, 0.7, 0.5)


def test_two_voxels_are_their_distance_apart():
    a, g = np.zeros((2, 5, 5, 5), bool)
    a[1, 1, 1], g[2, 1, 4] = True, True
    found = surface_distances(a, g, SPACING)
    expected = np.hypot(2.0, 1.5)
    assert found.mean_mm == found.hausdorff_mm == found.hausdorff95_mm == pytest.approx(expected)


def test_a_longer_row_by_hand():
    a, g = np.zeros((2, 3, 7), bool)
    a[1, 1:4], g[1, 1:6] = True, True
    found = surface_distances(a, g, (1.0, 0.5))
    # Every voxel is surface: 3 voxels of `a` at 0 mm; of `g` 3 at 0, one at 0.5 and one at 1 mm.
    assert found.mean_mm == pytest.approx(1.5 / 8)
    assert found.hausdorff_mm == pytest.approx(1.0)
    assert found.hausdorff95_mm == pytest.approx(np.percentile([0, 0, 0, 0.5, 1.0], 95))


def test_one_slice_is_measured_as_an_image():
    disc = np.hypot(*np.mgrid[-6:7, -6:7]) < 5
    inner = np.hypot(*np.mgrid[-6:7, -6:7]) < 3
    flat = surface_distances(disc, inner, (0.7, 0.5))
    assert flat.mean_mm > 0.5
    assert surface_distances(disc[None], inner[None], SPACING) == flat
    assert surface_distances([[True]], [[True]], (1, 1)).hausdorff_mm == 0


def test_agrees_with_distance_transforms():
    rng = np.random.default_rng(4)
    field = ndimage.gaussian_filter(rng.random((2, 12, 16, 16)), (0, 2, 2, 2))
    a, g = (f > np.median(f) for f in field)

    def border(m):
        return m & ~ndimage.binary_erosion(m)

    def directed(one, other):
        return ndimage.distance_transform_edt(~border(other), sampling=SPACING)[border(one)]

    there, back = directed(a, g), directed(g, a)
    found = surface_distances(a, g, SPACING)
    assert found.mean_mm == pytest.approx(np.concatenate([there, back]).mean())
    assert found.hausdorff_mm == pytest.approx(max(there.max(), back.max()))
    assert found.hausdorff95_mm == pytest.approx(max(np.percentile(d, 95) for d in (there, back)))


def test_agrees_with_simpleitk():
    z, y, x = np.mgrid[-6:7, -12:13, -12:13] * np.reshape(SPACING, (3, 1, 1, 1))
    a = z**2 + y**2 + x**2 < 25
    g = z**2 + (y - 1.4) ** 2 + x**2 < 16
    images = [sitk.GetImageFromArray(m.astype(np.uint8)) for m in (a, g)]
    for image in images:
        image.SetSpacing(SPACING[::-1])
    other = sitk.HausdorffDistanceImageFilter()
    other.Execute(*images)
    # It measures from all voxels of a mask; the farthest one lies outside the other mask.
    expected = other.GetHausdorffDistance()
    assert surface_distances(a, g, SPACING).hausdorff_mm == pytest.approx(expected, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(bool, (2, 3, 4, 5)), st.permutations((0, 1, 2)), st.integers(0, 2))
def test_symmetric_blind_to_flips_and_zero_for_equal_masks(pair, order, axis):
    a, g = pair
    assume(a.any() and g.any())

    def move(x):
        return np.flip(x.transpose(order), axis)

    found = surface_distances(a, g, SPACING)
    assert surface_distances(g, a, SPACING).mean_mm == pytest.approx(found.mean_mm)
    moved = surface_distances(move(a), move(g), tuple(SPACING[i] for i in order))
    assert moved.mean_mm == pytest.approx(found.mean_mm)
    assert moved.hausdorff95_mm == pytest.approx(found.hausdorff95_mm)
    assert surface_distances(a, a, SPACING).hausdorff_mm == 0
    assert found.mean_mm <= found.hausdorff_mm
    assert found.hausdorff95_mm <= found.hausdorff_mm


def test_what_makes_no_sense_is_refused():
    some, none = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    with pytest.raises(EmptyMaskError):
        surface_distances(some, none, (1, 1))
    with pytest.raises(ValueError, match="spacing"):
        surface_distances(some, some, (1, 0))
    with pytest.raises(ValueError, match="spacing"):
        surface_distances(some, some, (1, 1, 1))
    with pytest.raises(ValueError, match="boolean"):
        surface_distances(some * 1.0, some, (1, 1))
