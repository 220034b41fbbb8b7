"""What goes to cubic voxels and back is where it was, and as much as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UnusableMarkError
from pipelines.networks.fine_grid import FineGrid

CENTRE = (12.3, 14.1, 13.7)
spacings = st.tuples(st.floats(0.4, 5.0), *[st.floats(0.3, 1.2)] * 2)


def around(spacing, extent=11.0, size=(32, 32, 32)):
    box = tuple(
        slice(int(np.floor((c - extent) / s)), int(np.ceil((c + extent) / s)) + 1)
        for c, s in zip(CENTRE, spacing, strict=True)
    )
    return FineGrid.around(CENTRE, box, spacing, size, 0.5), box


def ball(grid, radius=6.0, centre=CENTRE):
    axes = [
        o + np.arange(n) * grid.spacing_mm for o, n in zip(grid.origin, grid.shape, strict=True)
    ]
    mm = np.meshgrid(*axes, indexing="ij", sparse=True)
    distance = np.sqrt(sum((m - c) ** 2 for m, c in zip(mm, centre, strict=True)))
    return np.clip((radius - distance) / 0.5 + 0.5, 0, 1).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(spacings)
def test_the_sum_of_alpha_is_kept_for_voxels_of_any_size(spacing):
    grid, box = around(spacing)
    alpha = ball(grid)
    back = grid.on_ct(alpha, box, spacing)
    before, after = alpha.sum() * 0.5**3, back.sum() * np.prod(spacing)
    assert after == pytest.approx(before, rel=0.01)
    assert before == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.03)
    assert back.shape == tuple(held.stop - held.start for held in box)


def test_a_large_voxel_gets_its_mean_and_not_a_sample():
    """Slabs of 0.5 mm, every other one full: a slice of 4 mm is half full, wherever it lies."""
    spacing = (4.0, 1.0, 1.0)
    grid, box = around(spacing)
    slabs = np.zeros(grid.shape, np.float32)
    slabs[::2] = 1
    back = grid.on_ct(slabs, box, spacing)
    assert back[2:-2, 5:-5, 5:-5] == pytest.approx(0.5, abs=0.01)


def test_alpha_lies_where_it_was():
    spacing, centre = (2.5, 0.7, 0.9), (14.0, 12.0, 15.5)
    grid, box = around(spacing)
    back = grid.on_ct(ball(grid, 4.0, centre), box, spacing)
    for axis, (held, s, c) in enumerate(zip(box, spacing, centre, strict=True)):
        line = back.sum(axis=tuple(a for a in range(3) if a != axis))
        assert (np.arange(held.start, held.stop) * s @ line) / line.sum() == pytest.approx(
            c, abs=0.03
        )


def test_hu_are_read_where_they_lie():
    """A linear field is what linear sampling gives back exactly; beyond the CT its edge goes on."""
    spacing = (2.5, 0.7, 0.9)
    shape = (8, 40, 40)
    z, y, x = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    ct = (10 * z - 20 * y + 5 * x).astype(np.float32)
    grid, _ = around(spacing)
    region = grid.region(shape, spacing)
    got = grid.sampled(ct[region], tuple(r.start for r in region), spacing)
    at = [o + np.arange(n) * 0.5 for o, n in zip(grid.origin, grid.shape, strict=True)]
    at = [np.clip(a, 0, (n - 1) * s) for a, n, s in zip(at, shape, spacing, strict=True)]
    assert at[0][-1] < grid.origin[0] + (grid.shape[0] - 1) * 0.5, "the grid leaves the CT"
    expected = 10 * at[0][:, None, None] - 20 * at[1][:, None] + 5 * at[2]
    # Beyond the CT the nearest voxel is taken, which within half a voxel is not the edge's value.
    inside = (grid.origin[0] + np.arange(grid.shape[0]) * 0.5) <= (shape[0] - 1) * spacing[0]
    inside &= (grid.origin[0] + np.arange(grid.shape[0]) * 0.5) >= 0
    assert np.abs(got - expected)[inside].max() < 0.02
    assert np.abs(got - expected).max() < 0.02 + 10 * 2.5 / 2


def test_a_box_larger_than_a_patch_is_covered():
    grid, box = around((1.0, 1.0, 1.0), extent=30.0)
    for o, n, c, held in zip(grid.origin, grid.shape, CENTRE, box, strict=True):
        assert o <= held.start - 0.5 + 1e-6
        assert o + (n - 1) * 0.5 >= held.stop - 0.5 - 1e-6
        assert o + (n - 1) * 0.25 == pytest.approx(c)


def test_what_no_memory_holds_is_refused():
    with pytest.raises(UnusableMarkError, match="expected at most 80000000"):
        around((1.0, 1.0, 1.0), extent=120.0)
