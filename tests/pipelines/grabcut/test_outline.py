"""The outline between voxels: on its side of the cut, and on a plane exact to parts of a voxel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.grabcut import RecistEllipsoid, grabcut
from pipelines.grabcut.outline import shape_from_cut
from pipelines.phantom import NoduleKind, nodule_patch
from pipelines.trimap import shape_from_masks


def probability_of(log_odds):
    return (1 / (1 + np.exp(-log_odds))).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    angle=st.floats(0, 1.5),
    shift=st.floats(-0.5, 0.5),
    slope=st.floats(0.7, 1.5),
    spacing=st.sampled_from([(0.7, 0.7, 0.7), (1.5, 0.7, 0.7)]),
)
def test_a_plane_is_found_to_a_part_of_a_voxel(angle, shift, slope, spacing):
    places = np.indices((9, 15, 15)) * np.reshape(spacing, (3, 1, 1, 1))
    middle = (np.array([4, 7, 7]) * spacing).reshape(3, 1, 1, 1)
    z, y, x = places - middle
    depth = np.cos(angle) * x + np.sin(angle) * y + 0.2 * z + shift
    depth /= np.sqrt(1.04)
    # Log-odds are even where the outline's level, 0.35, is added.
    found = shape_from_cut(depth > 0, probability_of(slope * depth - 0.35), spacing)
    inner = np.s_[1:-1, 1:-1, 1:-1]
    assert np.abs(found - np.clip(depth / 0.7 + 0.5, 0, 1))[inner].max() < 0.02


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shape=st.tuples(*[st.integers(1, 8)] * 3))
def test_no_voxel_changes_sides_and_flips_commute(seed, shape):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.5
    probability = rng.random(shape).astype(np.float32)
    spacing = (2.0, 0.7, 0.9)
    found = shape_from_cut(mask, probability, spacing)
    assert found.dtype == np.float32
    assert (found[mask] >= 0.5).all()
    assert (found[~mask] <= 0.5).all()
    turned = shape_from_cut(mask[::-1, :, ::-1], probability[::-1, :, ::-1], spacing)
    assert turned[::-1, :, ::-1] == pytest.approx(found, abs=1e-6)


def test_nearer_to_the_truth_on_a_chest_wall_than_the_mask():
    error = {"mask": 0.0, "outline": 0.0}
    for seed in (1, 2, 3):
        patch = nodule_patch(NoduleKind.JUXTA_PLEURAL, 16, (1.25, 0.7, 0.7), seed)
        spacing = tuple(float(s) for s in patch.volume.spacing)
        ellipsoid = RecistEllipsoid.from_axes(patch.axes, patch.volume)
        cut = grabcut(patch.volume.array.astype(np.float32), spacing, ellipsoid)
        truth = patch.occupancy.array
        fine = shape_from_cut(cut.mask, cut.probability, spacing)
        error["outline"] += float(np.abs(fine - truth).sum())
        error["mask"] += float(np.abs(shape_from_masks(cut.mask[None], spacing) - truth).sum())
    assert error["outline"] < 0.95 * error["mask"]
