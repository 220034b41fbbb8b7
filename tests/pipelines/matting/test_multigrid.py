"""The multigrid preconditioner: symmetric, exact on its coarse functions, blind to thickness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.matting.conjugate_gradients import conjugate_gradients
from pipelines.matting.multigrid import (
    THICK,
    coarsen,
    preconditioner,
    worth_it,
)
from pipelines.matting.problem import MattingProblem
from pipelines.matting.window_laplacian import WindowLaplacian


def seeds(shape, noise_hu=20.0):
    """A ball in lung of which only a seed and a corner of the background are known."""
    grid = np.indices(shape) - np.reshape(shape, (-1,) + (1,) * len(shape)) // 2
    distance = np.sqrt((grid**2).sum(0))
    noise = np.random.default_rng(9).normal(0, noise_hu, shape)
    image = -860 + 900 / (1 + np.exp(distance - 0.3 * max(shape))) + noise
    trimap = np.ones(shape, np.uint8)
    trimap[(slice(2),) * len(shape)] = 0
    trimap[distance <= 1] = 2
    return image, trimap


def problem_of(shape, **options):
    return MattingProblem.read(*seeds(shape, **options), (1.0,) * len(shape))


def operator(problem, size=3, weight=None):
    """The Laplacian, and its right-hand side in the order of the unknown voxels."""
    prior = None if weight is None else np.zeros_like(weight)
    laplacian = WindowLaplacian.build(
        problem, ridge=1e-7, size=size, dtype=np.float64, prior=prior, prior_weight=weight
    )
    return laplacian, laplacian.load[laplacian.chunks.positions]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((17, 19, 21), 3), ((17, 19, 21), 2), ((1, 20, 25), 3), ((2, 18, 20), 3), ((20, 25), 3)],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_coarse_matrix_is_the_laplacian_between_coarse_functions(shape, size, weighted):
    problem = problem_of(shape)
    weight = np.linspace(0, 3, problem.trimap.size).reshape(problem.trimap.shape)
    weight = weight if weighted else None
    laplacian, _ = operator(problem, size, weight)
    coarse = coarsen(problem.guide(np.float64), problem.unknown, size, weight=weight)
    matrix = coarse.matrix.toarray()
    functions = np.zeros((problem.count, len(matrix)))
    functions[np.arange(problem.count), 2 * coarse.block] = coarse.first
    functions[np.arange(problem.count), 2 * coarse.block + 1] = coarse.second
    assert np.abs(functions.T @ functions - np.eye(len(matrix))).max() < 1e-9
    expected = functions.T @ np.stack([laplacian.product(f) for f in functions.T], axis=1)
    assert np.abs(matrix - expected).max() < 1e-7
    assert coarse.inverse == pytest.approx(laplacian.inverse[laplacian.chunks.positions], rel=1e-9)
    # The two fields are constant alpha and the intensity itself.
    assert functions @ coarse.fields[:, 0] == pytest.approx(1)
    guide = problem.guide(np.float64)[problem.unknown]
    assert functions @ coarse.fields[:, 1] == pytest.approx(guide)


@pytest.mark.parametrize("shape", [(12, 13, 14), (68, 68, 36)])
def test_the_correction_is_symmetric_and_positive(shape):
    problem = problem_of(shape)
    correct = preconditioner(problem.guide(), problem.unknown)
    one, other = np.random.default_rng(10).normal(size=(2, problem.count))
    assert one @ correct(other) == pytest.approx(other @ correct(one), rel=1e-6, abs=1e-6)
    assert one @ correct(one) > 0
    assert correct(one.astype(np.float32)).dtype == np.float32


def test_the_same_input_gives_the_same_correction_and_leaves_random_numbers_alone():
    problem = problem_of((68, 68, 36))
    residual = np.linspace(-1, 1, problem.count)
    np.random.seed(1)
    one = preconditioner(problem.guide(), problem.unknown)(residual)
    drawn = np.random.random()
    other = preconditioner(problem.guide(), problem.unknown)(residual)
    assert (one == other).all()
    np.random.seed(1)
    assert drawn == np.random.random()


@pytest.mark.parametrize(("shape", "size"), [((20, 22, 24), 3), ((20, 22, 24), 2), ((60, 70), 3)])
def test_the_answer_is_that_of_the_diagonals_preconditioner(shape, size):
    problem = problem_of(shape)
    laplacian, load = operator(problem, size)
    exact, _ = laplacian.solve(tolerance=1e-12, max_iterations=5000)
    correct = preconditioner(problem.guide(), problem.unknown, size)
    found, ended = conjugate_gradients(
        laplacian.product,
        load,
        np.full(problem.count, 0.5),
        correct,
        tolerance=1e-10,
        max_iterations=500,
    )
    assert ended.reached
    assert np.abs(found - exact[laplacian.chunks.positions]).max() < 1e-6


def iterations(shape):
    """With multigrid, and with the diagonal alone."""
    problem = problem_of(shape)
    laplacian, load = operator(problem)
    options = {"tolerance": 1e-5, "max_iterations": 2000}
    start = np.full(problem.count, 0.5)
    correct = preconditioner(problem.guide(), problem.unknown)
    _, ended = conjugate_gradients(laplacian.product, load, start, correct, **options)
    _, other = laplacian.solve(**options)
    return ended.iterations, other.iterations


def test_iterations_do_not_grow_with_thickness():
    thin, thin_diagonal = iterations((16, 16, 16))
    thick, thick_diagonal = iterations((48, 48, 48))
    assert thick <= thin + 12
    assert thick_diagonal >= 2 * thin_diagonal
    assert 3 * thick < thick_diagonal


def test_a_stop_before_convergence_is_said():
    problem = problem_of((16, 16, 16))
    laplacian, load = operator(problem)
    correct = preconditioner(problem.guide(), problem.unknown)
    start = np.full(problem.count, 0.5)
    options = {"tolerance": 1e-8, "max_iterations": 2}
    found, ended = conjugate_gradients(laplacian.product, load, start, correct, **options)
    assert not ended.reached
    assert ended.iterations == 2
    assert np.isfinite(found).all()
    assert (start == 0.5).all()


def test_flat_and_isolated_voxels_are_no_trouble():
    guide = np.zeros((9, 9, 9))
    unknown = np.zeros(guide.shape, bool)
    unknown[1:8, 1:8, 1:8] = True
    assert np.isfinite(preconditioner(guide, unknown)(np.ones(343))).all()
    lone = np.zeros(guide.shape, bool)
    lone[4, 4, 4] = True
    assert np.isfinite(preconditioner(guide, lone)(np.ones(1))).all()


def slab(depth, shape):
    """Unknown down to some depth below the first index, and across all else."""
    unknown = np.zeros(shape, bool)
    unknown[:depth] = True
    return unknown


@pytest.mark.parametrize(
    ("shape", "axes"), [((60, 40, 40), 3), ((120, 100), 2), ((120, 1, 100), 2)]
)
def test_the_rule_is_a_depth(shape, axes):
    thick = THICK[axes]
    assert not worth_it(slab(thick - 1, shape))
    assert worth_it(slab(thick, shape))
    assert worth_it(slab(thick, shape), int(slab(thick, shape).sum()))


def test_bands_around_lesions_are_thin_however_large():
    axes = np.meshgrid(*[np.arange(-50, 51)] * 3, indexing="ij")
    distance = np.sqrt(sum(x**2 for x in axes))
    assert not worth_it(np.abs(distance - 40) < 5)
    assert not worth_it(np.ones((1, 1, 5000), bool))


@settings(max_examples=10, deadline=None)
@given(st.permutations((0, 1, 2)), st.sets(st.integers(0, 2)))
def test_flips_and_permutations_commute_with_the_solution(order, flips):
    image, trimap = seeds((14, 15, 16))

    def solve(image, trimap):
        problem = MattingProblem.read(image, trimap, (1.0,) * 3)
        laplacian, load = operator(problem)
        correct = preconditioner(problem.guide(), problem.unknown)
        start = np.full(problem.count, 0.5)
        found, _ = conjugate_gradients(
            laplacian.product, load, start, correct, tolerance=1e-10, max_iterations=500
        )
        return problem.fill(found)

    def move(a):
        return np.ascontiguousarray(np.flip(a.transpose(order), tuple(flips)))

    assert np.abs(move(solve(image, trimap)) - solve(move(image), move(trimap))).max() < 1e-5
