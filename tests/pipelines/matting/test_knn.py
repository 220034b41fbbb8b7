"""KNN matting: solves its own graph exactly, and errs no more than pymatting's."""

import numpy as np
import pymatting
import pytest
from scipy import ndimage

from pipelines.errors import UnknownParameterError
from pipelines.matting.knn import knn
from pipelines.matting.neighbours import OUTSIDE, REACH, Neighbourhood
from pipelines.matting.problem import MattingProblem


def scene(seed):
    """A random smooth blob in 2D, blurred by a scanner: image, trimap, alpha."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:40, :40] - 19.5
    angle = np.arctan2(y, x)
    radius = 10 + sum(
        rng.normal(0, 0.7) * np.cos(k * angle + rng.uniform(0, 6)) for k in range(2, 6)
    )
    mask = np.hypot(y, x) < radius
    truth = ndimage.gaussian_filter(mask.astype(float), 1.0)
    image = -860 + 890 * truth + rng.normal(0, 20, mask.shape)
    trimap = np.where(truth > 0.98, 2, np.where(truth > 0.02, 1, 0)).astype(np.uint8)
    return image, trimap, truth


def test_alpha_solves_the_graph_that_dense_algebra_solves():
    rng = np.random.default_rng(3)
    image, trimap = rng.uniform(-1000, 400, (5, 6, 7)), np.ones((5, 6, 7), np.uint8)
    trimap[0], trimap[-1] = 0, 2
    problem = MattingProblem.read(image, trimap, (1, 1, 1), reach=REACH)
    place = Neighbourhood.of(problem, 124)
    matrix = np.zeros((place.guide.size,) * 2)
    for count, mm in ((10, 100.0), (5, 1000.0)):
        found = place.nearest(count, mm, place.number != OUTSIDE)
        for row, at in enumerate(place.rows):
            for k in range(found.start[row], found.start[row + 1]):
                other = at + place.steps[found.which[k]]
                gap = np.abs(place.offset_mm[found.which[k]]).sum() / mm
                tie = 1 - (abs(place.guide[at] - place.guide[other]) + gap) / 4
                matrix[at, other] += tie * found.weight[k]
    for step in np.unique(np.abs(place.steps[:6])):
        for at in place.rows:
            for other in (at - step, at + step):
                if place.number[other] != OUTSIDE:
                    gap = abs(place.guide[at] - place.guide[other])
                    matrix[at, other] += 0.01 * (1 - gap / 4)
    matrix += matrix.T
    laplacian = np.diag(matrix.sum(axis=1)) - matrix
    rows = place.rows
    solution = np.linalg.solve(
        laplacian[np.ix_(rows, rows)], -(laplacian @ place.alpha.astype(float))[rows]
    )
    alpha = knn(image, trimap, (1, 1, 1), tolerance=1e-10)
    assert np.abs(alpha[trimap == 1] - np.clip(solution, 0, 1)).max() < 1e-5


def test_errs_no_more_than_pymatting_over_random_scenes():
    mine, theirs, apart = [], [], []
    for seed in range(20):
        image, trimap, truth = scene(seed)
        grey = np.clip((image + 1000) / 1400, 0, 1)
        oracle = pymatting.estimate_alpha_knn(np.stack([grey] * 3, -1), trimap / 2)
        alpha = knn(image, trimap, (1, 1))
        unknown = trimap == 1
        mine.append(np.abs(alpha - truth)[unknown].mean())
        theirs.append(np.abs(oracle - truth)[unknown].mean())
        apart.append(np.abs(oracle - alpha)[unknown].mean())
    assert np.mean(mine) <= np.mean(theirs)
    assert max(apart) < 0.2


def test_default_tolerance_keeps_its_bound():
    axes = np.meshgrid(*[np.arange(18) - 8.5] * 3, indexing="ij")
    distance = np.sqrt(sum(a * a for a in axes))
    noise = np.random.default_rng(3).normal(0, 20, distance.shape)
    image = -860 + 900 * np.clip(0.5 + (6 - distance) / 3, 0, 1) + noise
    trimap = np.where(distance < 4, 2, np.where(distance < 8, 1, 0)).astype(np.uint8)
    rough = knn(image, trimap, (1, 1, 1))
    exact = knn(image, trimap, (1, 1, 1), tolerance=1e-10)
    assert np.abs(rough - exact).max() < 5e-3


@pytest.mark.parametrize(
    "change",
    [{"neighbours": (10,)}, {"neighbours": (10, 0)}, {"position_mm": (1, -1)}, {"tolerance": 2}],
)
def test_parameters_without_sense_are_refused(change):
    image, trimap, _ = scene(0)
    with pytest.raises(UnknownParameterError):
        knn(image, trimap, (1, 1), **change)


def test_thick_slices_find_each_other():
    z, y, x = np.mgrid[:7, :40, :40]
    distance = np.sqrt(((z - 3) * 5) ** 2 + ((y - 20) * 0.7) ** 2 + ((x - 20) * 0.7) ** 2)
    truth = np.clip((8 - distance) / 3 + 0.5, 0, 1)
    image = -860 + 900 * truth
    core = (truth == 1) & (z == 3)
    trimap = np.where(core, 2, np.where(distance > 12, 0, 1)).astype(np.uint8)
    alpha = knn(image, trimap, (5, 0.7, 0.7))
    outer = [k for k in range(7) if not (trimap[k] == 2).any() and truth[k].sum() > 20]
    assert outer
    for k in outer:
        assert alpha[k].sum() > 0.4 * truth[k].sum()
