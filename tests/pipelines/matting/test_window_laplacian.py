"""The operator without a matrix is the matrix that the papers write."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.matting.problem import MattingProblem
from pipelines.matting.window_laplacian import WindowLaplacian

RIDGE = 1e-7


def assembled(image, size, learning=False):
    """The Laplacian as the papers write it, one window after another."""
    sides = [min(size, n) for n in image.shape]
    count = int(np.prod(sides))
    index = np.arange(image.size).reshape(image.shape)
    matrix = np.zeros((image.size, image.size))
    starts = itertools.product(*[range(n - s + 1) for n, s in zip(image.shape, sides, strict=True)])
    for start in starts:
        window = tuple(slice(a, a + s) for a, s in zip(start, sides, strict=True))
        rows = index[window].ravel()
        if learning:
            x = np.column_stack([image[window].ravel(), np.ones(count)])
            fit = x @ np.linalg.solve(x.T @ x + RIDGE * np.eye(2), x.T)
            left = np.eye(count) - fit
            matrix[np.ix_(rows, rows)] += left.T @ left
        else:
            deviation = image[window].ravel() - image[window].mean()
            outer = np.outer(deviation, deviation) / ((deviation**2).mean() + RIDGE / count)
            matrix[np.ix_(rows, rows)] += np.eye(count) - (1 + outer) / count
    return matrix


def scene(seed, shape):
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, 1, shape)
    trimap = rng.choice(np.array([0, 1, 2], np.uint8), shape, p=[0.25, 0.5, 0.25])
    trimap.flat[0], trimap.flat[-1] = 0, 2
    trimap.flat[trimap.size // 2] = 1
    return image, trimap


def operator(image, trimap, **options):
    problem = MattingProblem.read(image, trimap, (1.0,) * image.ndim, window=(0, 1))
    return WindowLaplacian.build(problem, ridge=RIDGE, **({"dtype": np.float64} | options))


SHAPES = [(5, 6, 7), (1, 6, 19), (2, 5, 4), (3, 3, 3), (4, 9, 2), (7, 5, 1), (2, 2, 2), (6, 17)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("learning", [False, True])
def test_product_diagonal_and_load_are_those_of_the_matrix(shape, size, learning):
    check(*scene(1, shape), size, learning)


@pytest.mark.parametrize("shape", [(6, 7, 9), (8, 9)])
@pytest.mark.parametrize("gap", [1, 2, 3])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("learning", [False, True])
def test_they_are_so_at_any_distance_from_the_border(shape, gap, size, learning):
    image, trimap = scene(3, shape)
    inner = np.zeros(shape, bool)
    inner[tuple(slice(gap, n - gap) for n in shape)] = True
    trimap[~inner & (trimap == 1)] = 2
    trimap[tuple(n // 2 for n in shape)] = 1
    check(image, trimap, size, learning)


def check(image, trimap, size, learning):
    laplacian = operator(image, trimap, size=size, learning=learning)
    matrix = assembled(image, size, learning)
    unknown, known = (trimap == 1).ravel(), (trimap == 2).ravel().astype(float)
    inner = matrix[np.ix_(unknown, unknown)]
    solvable = np.diag(inner) > 1e-12
    p = np.random.default_rng(2).random(unknown.sum())
    at = laplacian.chunks.positions
    assert np.abs((laplacian.product(p) - inner @ p)[solvable]).max(initial=0) < 1e-10
    assert np.allclose(1 / laplacian.inverse[at][solvable], np.diag(inner)[solvable], rtol=1e-8)
    assert np.abs((laplacian.load[at] + (matrix @ known)[unknown])[solvable]).max(initial=0) < 1e-10


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 1000),
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(2, 20)),
    st.sampled_from([2, 3]),
)
def test_chunks_lose_no_window(seed, shape, size):
    image, trimap = scene(seed, shape)
    assume(set(np.unique(trimap)) == {0, 1, 2})
    laplacian = operator(image, trimap, size=size)
    matrix = assembled(image, size)
    unknown = (trimap == 1).ravel()
    inner = matrix[np.ix_(unknown, unknown)]
    p = np.random.default_rng(seed).random(unknown.sum())
    solvable = np.diag(inner) > 1e-9
    assert np.abs((laplacian.product(p) - inner @ p)[solvable]).max(initial=0) < 1e-9


def test_a_prior_adds_its_weight():
    image, trimap = scene(3, (4, 5, 11))
    rng = np.random.default_rng(3)
    prior, weight = rng.random(image.shape), rng.random(image.shape)
    plain = operator(image, trimap)
    pulled = operator(image, trimap, prior=prior, prior_weight=weight)
    at, unknown = plain.chunks.positions, trimap == 1
    p = rng.random(unknown.sum())
    assert np.allclose(pulled.product(p) - plain.product(p), weight[unknown] * p)
    assert np.allclose((pulled.load - plain.load)[at], (weight * prior)[unknown])


def test_a_small_part_of_the_image_is_kept_and_memory_stays_small():
    z, y, x = np.mgrid[:64, :64, :64]
    distance = np.sqrt((z - 32) ** 2 + (y - 32) ** 2 + (x - 32) ** 2)
    trimap = np.where(distance < 22, 2, np.where(distance < 26, 1, 0)).astype(np.uint8)
    laplacian = operator(np.zeros(trimap.shape), trimap, dtype=np.float32)
    assert len(laplacian.own) < 3 * np.count_nonzero(trimap == 1)
