"""The search: the same neighbours as brute force, near in mm, ties shared."""

import numpy as np
import pytest

from pipelines.errors import UnknownParameterError
from pipelines.matting.neighbours import (
    OUTSIDE,
    REACH,
    Neighbourhood,
    check_search,
    nearest_offsets,
)
from pipelines.matting.problem import MattingProblem


def problem(seed, shape, spacing):
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1000, 400, shape)
    trimap = rng.choice(np.array([0, 1, 2], np.uint8), shape)
    return MattingProblem.read(image, trimap, spacing, reach=REACH)


@pytest.mark.parametrize("shape", [(6, 7, 8), (1, 9, 8), (9, 8)])
def test_the_search_finds_what_brute_force_finds(shape):
    spacing = (2.0, 0.7, 0.9)[-len(shape) :]
    one = problem(1, shape, spacing)
    place = Neighbourhood.of(one, 100_000)
    found = place.nearest(5, 10.0, place.number != OUTSIDE)
    guide = one.guide()
    voxels = np.argwhere(np.ones(guide.shape, bool))
    for row, voxel in enumerate(np.argwhere(one.unknown)):
        gap = (voxels - voxel) * np.array(spacing) / 10
        distance = (guide.ravel() - guide[tuple(voxel)]) ** 2 + (gap**2).sum(axis=1)
        expected = np.sort(distance[(voxels != voxel).any(axis=1)])[:5]
        at = slice(found.start[row], found.start[row + 1])
        other = place.rows[row] + place.steps[found.which[at]]
        mm = place.squared_mm[found.which[at]] / 100
        mine = (place.guide[other] - place.guide[place.rows[row]]) ** 2 + mm
        assert np.allclose(np.sort(mine), expected, atol=1e-6)
        assert (found.weight[at] == 1).all()


def test_exact_ties_share_the_last_places():
    trimap = np.zeros((5, 5, 5), np.uint8)
    trimap[2, 2, 2], trimap[0, 0, 0] = 1, 2
    one = MattingProblem.read(np.zeros((5, 5, 5)), trimap, (1, 1, 1), reach=REACH)
    place = Neighbourhood.of(one, 124)
    found = place.nearest(10, 1.0, place.number != OUTSIDE)
    # Six voxels share a face; twelve share an edge and the four places that are left.
    assert sorted(found.weight.tolist()) == pytest.approx([4 / 12] * 12 + [1] * 6)


def test_candidates_lie_within_a_ball_in_mm():
    offsets, squared = nearest_offsets((50, 50, 50), (5.0, 0.7, 0.7), 342)
    assert np.abs(offsets).max(axis=0).tolist() == [1, 10, 10]
    assert (np.diff(squared) >= 0).all()
    assert len(offsets) >= 342
    assert nearest_offsets((1, 50, 50), (5.0, 0.7, 0.7), 20)[0][:, 0].tolist() == [0] * 20


@pytest.mark.parametrize(
    "search",
    [((), (), 9), ((3,), (1.0, 2.0), 9), ((0,), (1.0,), 9), ((3,), (0.0,), 9), ((3,), (1.0,), 0)],
)
def test_a_search_without_sense_is_refused(search):
    with pytest.raises(UnknownParameterError):
        check_search(*search)
