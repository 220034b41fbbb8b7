"""Trimaps: a band in mm, with some foreground always left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipelines.errors import EmptyMaskError, TrimapError, UnknownParameterError
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN
from pipelines.trimap import (
    mask_has_core,
    masks_have_core,
    shape_from_masks,
    trimap_from_mask,
    trimap_from_masks,
)


def box(shape=(9, 20, 20)):
    mask = np.zeros(shape, bool)
    mask[2:7, 5:15, 5:15] = True
    return mask


def test_band_is_measured_in_mm_along_each_axis():
    mask = np.zeros((1, 40, 40), bool)
    mask[:, 10:30, 10:30] = True
    trimap = trimap_from_mask(mask, (5.0, 0.5, 1.0), inner_mm=2.0, outer_mm=1.0)
    # Centres lie 0.25 mm, 0.75 mm ... from the outline along rows, less half the smallest side.
    rows, columns = trimap[0, :, 20], trimap[0, 20, :]
    assert (rows[:8] == BACKGROUND).all()
    assert (rows[8:14] == UNKNOWN).all()
    assert (rows[14:26] == FOREGROUND).all()
    assert (columns[:9] == BACKGROUND).all()
    assert (columns[9:12] == UNKNOWN).all()
    assert (columns[12:28] == FOREGROUND).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    inner=st.floats(0, 4),
    outer=st.floats(0, 4),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
)
def test_foreground_is_lesion_background_is_not_and_neither_vanishes(seed, inner, outer, spacing):
    mask = np.random.default_rng(seed).random((4, 6, 5)) < 0.3
    mask[0, 0, 0], mask[1, 1, 1] = False, True
    trimap = trimap_from_mask(mask, spacing, inner_mm=inner, outer_mm=outer)
    assert mask[trimap == FOREGROUND].all()
    assert not mask[trimap == BACKGROUND].any()
    assert (trimap == FOREGROUND).any()


def test_wider_bands_hold_narrower_ones():
    narrow = trimap_from_mask(box(), (1, 1, 1), inner_mm=0.5, outer_mm=0.5)
    wide = trimap_from_mask(box(), (1, 1, 1), inner_mm=1.5, outer_mm=2.5)
    assert (wide[narrow == UNKNOWN] == UNKNOWN).all()


def test_one_voxel_keeps_its_foreground():
    mask = np.zeros((3, 5, 5), bool)
    mask[1, 2, 2] = True
    trimap = trimap_from_mask(mask, (5, 1, 1), inner_mm=3, outer_mm=1)
    assert trimap[1, 2, 2] == FOREGROUND


@pytest.mark.parametrize(("inner", "sure"), [(0.0, True), (1.5, True), (2.5, False)])
def test_a_core_that_the_band_swallowed_is_told_from_a_sure_one(inner, sure):
    mask = box()  # Five slices thick: its middle lies 2.5 mm behind its outline.
    assert mask_has_core(mask, (1, 1, 1), inner_mm=inner) is sure
    assert mask_has_core(mask.astype(int), (1, 1, 1), inner_mm=inner) is sure
    trimap = trimap_from_mask(mask, (1, 1, 1), inner_mm=inner, outer_mm=1)
    assert (trimap == FOREGROUND).any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), inner=st.floats(0.01, 4), more=st.floats(0, 4))
def test_a_wider_band_never_makes_a_core_sure(seed, inner, more):
    mask = np.random.default_rng(seed).random((5, 6, 5)) < 0.9
    mask[0, 0, 0], mask[1, 1, 1] = False, True
    spacing = (2.0, 0.7, 1.0)
    wide = mask_has_core(mask, spacing, inner_mm=inner + more)
    assert mask_has_core(mask, spacing, inner_mm=inner) or not wide
    # Sure foreground keeps off the outline, a fallback cannot be deeper than the band.
    trimap = trimap_from_mask(mask, spacing, inner_mm=inner, outer_mm=1)
    depth = ndimage.distance_transform_edt(mask, spacing) - min(spacing) / 2
    if mask_has_core(mask, spacing, inner_mm=inner):
        assert depth[trimap == FOREGROUND].min() > inner * (1 - 1e-4)
    else:
        assert not (depth[ndimage.binary_erosion(mask, border_value=1)] > inner * 1.001).any()


def test_readers_who_share_too_little_leave_no_sure_core():
    masks = np.repeat(readers((4, 14), (6, 16)), 3, axis=1)
    assert masks_have_core(masks, (1, 1, 1), margin_mm=0)
    assert masks_have_core(
        np.concatenate([masks, np.zeros_like(masks[:1])]), (1, 1, 1), margin_mm=0
    )
    assert not masks_have_core(masks, (1, 1, 1), margin_mm=6)
    apart = np.repeat(readers((4, 9), (10, 16)), 3, axis=1)
    assert not masks_have_core(apart, (1, 1, 1), margin_mm=0)
    with pytest.raises(EmptyMaskError):
        masks_have_core(np.zeros((2, 3, 3, 3), bool), (1, 1, 1))
    with pytest.raises(UnknownParameterError):
        masks_have_core(readers((4, 14)), (1, 1, 1), margin_mm=-1)


def test_nonsense_is_refused():
    with pytest.raises(EmptyMaskError):
        trimap_from_mask(np.zeros((3, 3, 3), bool), (1, 1, 1), inner_mm=1, outer_mm=1)
    with pytest.raises(TrimapError):
        trimap_from_mask(np.ones((3, 3, 3), bool), (1, 1, 1), inner_mm=1, outer_mm=1)
    with pytest.raises(TrimapError):
        trimap_from_mask(box(), (1, 1), inner_mm=1, outer_mm=1)
    with pytest.raises(UnknownParameterError):
        trimap_from_mask(box(), (1, 1, 1), inner_mm=-1, outer_mm=1)
    with pytest.raises(EmptyMaskError):
        mask_has_core(np.zeros((3, 3, 3), bool), (1, 1, 1), inner_mm=1)


def readers(*columns):
    """Masks of readers who each draw a box of their own width."""
    masks = np.zeros((len(columns), 6, 20, 20), bool)
    for mask, (low, high) in zip(masks, columns, strict=True):
        mask[2:4, 5:15, low:high] = True
    return masks


def test_what_all_readers_marked_is_lesion_and_what_none_marked_is_not():
    trimap = trimap_from_masks(readers((4, 14), (6, 16)), (1, 1, 1), margin_mm=0)
    row = trimap[2, 10]
    assert (row[:4] == BACKGROUND).all()
    assert (row[4:6] == UNKNOWN).all()
    assert (row[6:14] != BACKGROUND).all()
    assert (row[14:16] == UNKNOWN).all()
    assert (row[16:] == BACKGROUND).all()


def test_the_margin_is_in_mm():
    wide = readers((3, 13), (7, 17))
    masks = np.repeat(wide, 3, axis=1)
    trimap = trimap_from_masks(masks, (4.0, 5.0, 1.0), margin_mm=2.0)
    row = trimap[9, 10]
    assert (row[9:11] == FOREGROUND).all()
    assert (row[1:9] == UNKNOWN).all()
    assert row[0] == BACKGROUND


def test_a_thick_last_slice_is_in_doubt():
    masks = readers((4, 16), (4, 16))
    trimap = trimap_from_masks(masks, (5.0, 1, 1), margin_mm=0.5)
    assert (trimap[[1, 4], 10, 10] == UNKNOWN).all()
    one = np.zeros((7, 20, 20), bool)
    one[1:6, 5:15, 5:15] = True
    band = trimap_from_mask(one, (5.0, 1, 1), inner_mm=0.5, outer_mm=0.5)
    assert (band[[0, 1, 5, 6], 10, 10] == UNKNOWN).all()
    assert (band[2:5, 10, 10] == FOREGROUND).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 5), margin=st.floats(0, 3))
def test_any_readers_leave_some_lesion_and_forget_nothing(seed, count, margin):
    rng = np.random.default_rng(seed)
    masks = rng.random((count, 4, 7, 6)) < rng.choice([0.05, 0.5, 0.9])
    masks[:, 0, 0, 0], masks[0, 1, 1, 1] = False, True
    trimap = trimap_from_masks(masks, (2.0, 0.7, 0.9), margin_mm=margin)
    assert (trimap == FOREGROUND).any()
    assert (trimap[masks.any(axis=0)] != BACKGROUND).all()
    assert (trimap[~masks.any(axis=0)] != FOREGROUND).all()


def test_readers_who_share_nothing_leave_what_most_of_them_marked():
    masks = readers((2, 6), (8, 12), (9, 14))
    trimap = trimap_from_masks(masks, (1, 1, 1), margin_mm=0)
    assert (np.unique((trimap == FOREGROUND).nonzero()[2]) == [9, 10, 11]).all()


def test_who_marked_nothing_does_not_vote():
    masks = readers((4, 14), (6, 16))
    silent = np.concatenate([masks, np.zeros_like(masks[:1])])
    assert (trimap_from_masks(silent, (1, 1, 1)) == trimap_from_masks(masks, (1, 1, 1))).all()
    assert (shape_from_masks(silent, (1, 1, 1)) == shape_from_masks(masks, (1, 1, 1))).all()


def test_the_mean_outline_lies_between_the_readers():
    shape = shape_from_masks(readers((4, 14), (6, 16)), (1, 1, 1))
    row = shape[2, 10]
    assert row[4] == 0
    assert row[8] == 1
    # Two voxels apart, so that the mean outline lies between columns 4 and 5: 0 before, 1 after.
    assert row[5] == 0.5
    assert row[14] == 0.5
    one = readers((4, 14))
    assert (shape_from_masks(one, (1, 1, 1)) == one[0]).all()


def test_no_reader_no_lesion():
    with pytest.raises(EmptyMaskError):
        trimap_from_masks(np.zeros((2, 3, 3, 3), bool), (1, 1, 1))
    with pytest.raises(EmptyMaskError):
        shape_from_masks(np.zeros((2, 3, 3, 3), bool), (1, 1, 1))
    with pytest.raises(TrimapError):
        trimap_from_masks(np.ones((2, 3, 3, 3), bool), (1, 1, 1))
    with pytest.raises(TrimapError, match="readers"):
        trimap_from_masks(np.ones((3, 3), bool), (1, 1))
    with pytest.raises(UnknownParameterError):
        trimap_from_masks(readers((4, 14)), (1, 1, 1), margin_mm=-1)


@pytest.mark.parametrize("spacing", [(-1, 1, 1), (np.inf, 1, 1), (0, 1, 1), (np.nan, 1, 1), (1, 1)])
def test_a_spacing_that_is_none_is_refused(spacing):
    mask = np.zeros((9, 9, 9), bool)
    mask[3:6, 3:6, 3:6] = True
    with pytest.raises(TrimapError, match="spacing"):
        trimap_from_mask(mask, spacing, inner_mm=1, outer_mm=1)
    with pytest.raises(TrimapError, match="spacing"):
        trimap_from_masks(mask[None], spacing)
    with pytest.raises(TrimapError, match="spacing"):
        shape_from_masks(mask[None], spacing)


def test_a_soft_mask_is_no_mask():
    soft = np.zeros((9, 9, 9), np.float32)
    soft[3:6, 3:6, 3:6] = 0.4
    for wrong in (soft, (soft * 100).astype(np.uint8)):
        with pytest.raises(TrimapError, match="expected bool"):
            trimap_from_mask(wrong, (1, 1, 1), inner_mm=1, outer_mm=1)
    ones = (soft > 0).astype(np.uint8)
    assert (
        trimap_from_mask(ones, (1, 1, 1), inner_mm=1, outer_mm=1)
        == trimap_from_mask(ones > 0, (1, 1, 1), inner_mm=1, outer_mm=1)
    ).all()
