"""Alpha within a trimap that a reader mended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.errors import TrimapError, UnusableVolumeError
from pipelines.lesion import soft_mask_from_recist, soft_mask_from_trimap
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN, SoftMask
from tests.dicomnode.studies import study

STUDY = study("mended", centres=((12, 32, 32),), diameter_mm=14.0)


def made(method: str) -> tuple[SoftMask, object]:
    """A soft mask, and the CT on its grid."""
    mask = soft_mask_from_recist(STUDY.volume, STUDY.axes[0], method=method)
    box = tuple(slice(o, o + n) for o, n in zip(mask.offset, mask.alpha.spatial_shape, strict=True))
    return mask, STUDY.volume[box]


def test_a_trimap_that_nobody_changed_gives_the_same_alpha():
    mask, crop = made("closed-form")
    again = soft_mask_from_trimap(crop, mask.trimap.array, mask)
    np.testing.assert_array_equal(again.alpha.array, mask.alpha.array)
    assert (again.method, again.offset) == (mask.method, mask.offset)
    assert dict(again.parameters) == dict(mask.parameters)


@pytest.mark.parametrize("method", ["closed-form", "closed-form+", "occupancy"])
def test_what_was_painted_is_kept_and_the_rest_is_matted(method):
    mask, crop = made(method)
    trimap = mask.trimap.array.copy()
    trimap[:, :, : trimap.shape[2] // 2] = BACKGROUND
    again = soft_mask_from_trimap(crop, trimap, mask)
    alpha = again.alpha.array
    assert (alpha[trimap == BACKGROUND] == 0).all()
    assert (alpha[trimap == FOREGROUND] > 0.9).mean() > 0.9
    assert 0 < alpha[trimap == UNKNOWN].mean() < 1
    assert again.quantity == mask.quantity
    assert "its trimap was mended by hand" in again.warnings


def test_what_a_network_made_is_matted_by_closed_form():
    mask, crop = made("closed-form")
    by_network = replace(mask, method="recist-net", parameters={"weights": "0"})
    again = soft_mask_from_trimap(crop, mask.trimap.array, by_network)
    assert again.method == "closed-form"
    np.testing.assert_array_equal(again.alpha.array, mask.alpha.array)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[1:], "found a trimap of shape"),
        (lambda t: np.full_like(t, 3), "values up to 3"),
        (lambda t: np.full_like(t, FOREGROUND), "expected both"),
        (lambda t: np.where(t == FOREGROUND, UNKNOWN, t), "expected both"),
    ],
)
def test_a_trimap_that_says_too_little_is_refused(change, words):
    mask, crop = made("closed-form")
    with pytest.raises(TrimapError, match=words):
        soft_mask_from_trimap(crop, change(mask.trimap.array), mask)


def test_a_ct_of_another_size_is_refused():
    mask, crop = made("closed-form")
    with pytest.raises(UnusableVolumeError, match="found a CT of shape"):
        soft_mask_from_trimap(crop[1:], mask.trimap.array, mask)
