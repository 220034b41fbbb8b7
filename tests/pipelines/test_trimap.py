"""Trimaps: a band in mm, with some foreground always left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import EmptyMaskError, TrimapError, UnknownParameterError
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN
from pipelines.trimap import trimap_from_mask


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


def test_nonsense_is_refused():
    with pytest.raises(EmptyMaskError):
        trimap_from_mask(np.zeros((3, 3, 3), bool), (1, 1, 1), inner_mm=1, outer_mm=1)
    with pytest.raises(TrimapError):
        trimap_from_mask(np.ones((3, 3, 3), bool), (1, 1, 1), inner_mm=1, outer_mm=1)
    with pytest.raises(TrimapError):
        trimap_from_mask(box(), (1, 1), inner_mm=1, outer_mm=1)
    with pytest.raises(UnknownParameterError):
        trimap_from_mask(box(), (1, 1, 1), inner_mm=-1, outer_mm=1)
