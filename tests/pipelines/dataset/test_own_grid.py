"""What a patch holds comes back to where it came from."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.dataset import matte_label
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.matte_label import label_on_own_grid
from pipelines.dataset.own_grid import on_own_grid
from pipelines.dataset.patches import lesion_patch

SPACING = (1.5, 0.7, 0.7)


@pytest.fixture(scope="module")
def lesion() -> AnnotatedLesion:
    """A ball of 9 mm, off the middle, that two readers drew a little apart."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in (13, 32, 36)), indexing="ij"), axis=-1)
    distance = np.linalg.norm((grid - (6, 14, 20)) * SPACING, axis=-1)
    hu = -850 + 880 * np.clip((4.5 - distance) / 0.8 + 0.5, 0, 1)
    masks = np.stack([distance <= 4.4, distance <= 4.9])
    return AnnotatedLesion("p", "n", hu.astype(np.int16), masks, SPACING)


def test_the_readers_mean_comes_back_to_its_own_voxels(lesion):
    patch = lesion_patch(lesion)
    corner = (2, 4, 6)
    part = patch.alpha[2:, 4:, 6:].astype(np.float32) / 255
    back = on_own_grid(part, patch, corner, lesion.hu.shape)
    mean = lesion.masks.mean(axis=0)
    assert back.shape == mean.shape
    assert np.abs(back - mean).max() < 0.75  # Outlines are soft over a voxel.
    assert back.sum() == pytest.approx(mean.sum(), rel=0.05)
    of_both = [
        np.average(np.indices(a.shape).reshape(3, -1), axis=1, weights=a.ravel())
        for a in (back, mean)
    ]
    np.testing.assert_allclose(*of_both, atol=0.05)


def test_slices_that_were_added_below_are_counted(lesion):
    patch = lesion_patch(lesion)
    alpha = patch.alpha.astype(np.float32) / 255
    plain = on_own_grid(alpha, patch, (0, 0, 0), lesion.hu.shape)
    moved = on_own_grid(alpha, patch, (0, 0, 0), (15, 32, 36), padding=2)
    np.testing.assert_allclose(moved[2:], plain, atol=1e-6)


def test_the_label_is_a_matte_on_the_lesions_own_voxels(lesion, monkeypatch):
    label = label_on_own_grid(lesion)
    assert label.shape == lesion.hu.shape
    assert 0 <= label.min() <= label.max() <= 1
    both = lesion.masks.all(axis=0)
    assert label[both].mean() > 0.9
    assert label[~lesion.masks.any(axis=0)].max() < 0.6
    monkeypatch.setattr(matte_label, "selected_method", lambda _: None)
    assert label_on_own_grid(lesion) is None
