"""Lesions at 0.5 mm: soft masks that agree with the readers, crops that the lot alone decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.dataset.annotated import AnnotatedLesion, keep
from pipelines.dataset.patch_crops import CropDisturbance, drawn_crop, middle_crop
from pipelines.dataset.patches import (
    CROP,
    PADDING_SLICES,
    SPACING_MM,
    keep_patch,
    kept_patch,
    lesion_patch,
    lesion_patches,
)

SPACING = (2.0, 0.8, 0.8)
STILL = CropDisturbance(0, 0, 0, 0, 0)


def ball(radius, shape=(9, 30, 30), spacing=SPACING, shift=0.0):
    """A ball about the middle, in mm."""
    axes = [(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return z**2 + y**2 + (x - shift) ** 2 <= radius**2


@pytest.fixture(scope="module")
def lesion():
    masks = np.stack([ball(5.0), ball(5.6), ball(5.2, shift=0.8), np.zeros((9, 30, 30), bool)])
    hu = np.where(masks[1], 30, -850).astype(np.int16)
    beyond = np.full((2, 30, 30), -850, np.int16)
    return AnnotatedLesion("a", "nodule-0", hu, masks, SPACING, beyond)


@pytest.fixture(scope="module")
def patch(lesion):
    return lesion_patch(lesion)


def on_own_voxels(patch, lesion, values):
    """What a patch says at the centres of the lesion's voxels: their nearest."""
    at = [
        np.rint((np.arange(n) - first) / step).astype(int)
        for n, first, step in zip(lesion.hu.shape, patch.first, patch.step, strict=True)
    ]
    return values[np.ix_(*at)]


def test_what_all_marked_lies_in_the_mean_lies_in_what_any_marked(patch):
    assert (patch.overlap <= patch.alpha).all()
    assert (patch.alpha <= patch.union).all()
    assert patch.overlap.max() == patch.union.max() == 255


def test_readers_who_marked_nothing_have_no_say(lesion, patch):
    three = lesion_patch(replace(lesion, masks=lesion.masks[:3]))
    assert (three.alpha == patch.alpha).all()
    assert (three.overlap == patch.overlap).all()


def test_on_their_own_voxels_masks_are_the_readers(lesion):
    """Where a voxel's centre is a centre at 0.5 mm."""
    there = replace(lesion, spacing=(2.0, 1.0, 1.0))
    patch = lesion_patch(there)
    marked = there.masks[:3]
    assert (on_own_voxels(patch, there, patch.union) == 255 * marked.any(axis=0)).all()
    assert (on_own_voxels(patch, there, patch.overlap) == 255 * marked.all(axis=0)).all()
    mean = np.rint(255 * marked.mean(axis=0))
    assert np.abs(on_own_voxels(patch, there, patch.alpha) - mean).max() <= 1
    assert (on_own_voxels(patch, there, patch.hu) == there.hu).all()


def test_outlines_move_evenly_between_thick_slices():
    """A cone whose radius grows by two pixels a slice grows in steps of less than one."""
    axis = np.arange(40) - 19.5
    radius = np.hypot(axis[:, None], axis)
    mask = np.stack([radius <= 4 + 2 * k for k in range(6)])
    hu = np.zeros(mask.shape, np.int16)
    lesion = AnnotatedLesion("a", "cone", hu, mask[None], (3.0, 0.5, 0.5))
    areas = lesion_patch(lesion).alpha.sum(axis=(1, 2)) / 255
    steps = np.diff(np.sqrt(areas / np.pi))
    assert steps.min() >= 0
    assert steps.max() < 1.0


def test_slices_without_lesion_go_on_beyond_the_ends(lesion, patch):
    assert patch.first == (-PADDING_SLICES, 0, 0)
    depth = (len(lesion.hu) - 1 + 2 * PADDING_SLICES) * SPACING[0] / SPACING_MM + 1
    assert patch.hu.shape[0] == depth
    beyond = int((PADDING_SLICES - 1) * SPACING[0] / SPACING_MM)
    for part in (slice(beyond), slice(-beyond, None)):
        assert not patch.union[part].any()
        assert (patch.hu[part] == -850).all()


def test_a_lesion_with_context_of_its_own_is_given_no_slices(lesion):
    assert lesion_patch(replace(lesion, beyond=None)).first[0] == 0


def test_a_wide_slice_is_cut_about_the_lesion():
    masks = np.zeros((1, 3, 150, 140), bool)
    masks[0, 1, 120:130, 4:14] = True
    hu = np.zeros(masks.shape[1:], np.int16)
    patch = lesion_patch(AnnotatedLesion("a", "wide", hu, masks, (2.0, 0.5, 0.5)))
    assert patch.hu.shape[1:] == (CROP, CROP)
    assert patch.first == (0, 150 - CROP, 0)
    assert patch.centre[1:] == pytest.approx((124.5 - 22, 8.5), abs=0.1)


def test_a_kept_patch_comes_back_the_same_and_is_not_made_again(lesion, patch, tmp_path):
    keep(lesion, tmp_path / "a_nodule-0.npz")
    (path,) = lesion_patches(tmp_path / "patches", [tmp_path / "a_nodule-0.npz"])
    found = kept_patch(path)
    for name in ("hu", "alpha", "overlap", "union"):
        assert (getattr(found, name) == getattr(patch, name)).all()
    assert (found.patient, found.name, found.first) == ("a", "nodule-0", patch.first)
    assert found.step == patch.step
    path.write_bytes(b"as it was left")
    assert lesion_patches(tmp_path / "patches", [tmp_path / "a_nodule-0.npz"]) == [path]
    assert path.read_bytes() == b"as it was left"


def test_a_patch_of_another_format_is_refused(patch, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.dataset.patches._FORMAT", 0)
    keep_patch(patch, tmp_path / "old.npz")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="format 0, expected 1"):
        kept_patch(tmp_path / "old.npz")


def test_the_middle_crop_holds_the_voxels_as_they_are(patch):
    crop, corner = middle_crop(patch, 32)
    box = tuple(slice(c, c + 32) for c in corner)
    assert (crop.alpha == patch.alpha[box] / np.float32(255)).all()
    assert (crop.overlap == (patch.overlap[box] >= 128)).all()
    assert crop.image == pytest.approx((patch.hu[box] + 1000) / 1400, abs=1e-6)


def test_beyond_a_patch_its_edge_goes_on(patch):
    crop, corner = middle_crop(patch, 96)
    assert corner[0] < 0
    assert (crop.image[: -corner[0]] == crop.image[-corner[0]]).all()
    assert crop.alpha.sum() == pytest.approx(patch.alpha.sum() / 255, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_lot_alone_decides_a_crop(patch, seed):
    first, again = (
        drawn_crop(patch, 32, np.random.default_rng(seed), CropDisturbance()) for _ in range(2)
    )
    for name in ("image", "alpha", "overlap", "union"):
        one = getattr(first, name)
        assert one.shape == (32, 32, 32)
        assert one.dtype == np.float32
        assert (one == getattr(again, name)).all()
        assert one.min() >= 0
        assert one.max() <= 1
    assert (first.overlap <= first.union).all()
    assert ((first.alpha > 0) | (first.union == 0)).all()


def test_image_and_masks_move_together(patch):
    """What is bright is what any reader marked, however it is turned and mirrored."""
    for seed in range(6):
        how = replace(STILL, off_centre=0.2, rotated=1, degrees=40)
        crop = drawn_crop(patch, 48, np.random.default_rng(seed), how)
        bright, marked = crop.image > 0.42, crop.union > 0
        assert (bright ^ marked).sum() < 0.2 * marked.sum()


def test_crops_differ_in_place_angle_and_mirror(patch):
    crops = [drawn_crop(patch, 32, np.random.default_rng(s), CropDisturbance()) for s in range(4)]
    for number, one in enumerate(crops):
        for other in crops[:number]:
            assert (one.alpha != other.alpha).any()


@pytest.mark.parametrize("side", [0, 40, -16])
def test_a_side_that_no_network_takes_is_refused(patch, side):
    with pytest.raises(ValueError, match=f"side of {side} voxels"):
        drawn_crop(patch, side, np.random.default_rng(0), STILL)
