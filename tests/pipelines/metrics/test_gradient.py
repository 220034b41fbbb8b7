"""The gradient error agrees with kernels written out, and does not depend on the axes' order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from pipelines.metrics import gradient_error
from pipelines.metrics.gradient import HALF_SIZE, gradient_magnitude


def kernels(dimensions):
    """Derivative-of-Gaussian kernels in full, each divided by its Frobenius norm."""
    axes = np.meshgrid(*[np.arange(-4, 5.0)] * dimensions, indexing="ij")
    gaussian = np.exp(-sum(x**2 for x in axes) / (2 * 1.4**2))
    for x in axes:
        yield x * gaussian / np.sqrt((x**2 * gaussian**2).sum())


@pytest.mark.parametrize("shape", [(9, 12), (5, 9, 6)])
def test_agrees_with_kernels_written_out(shape):
    rng = np.random.default_rng(2)
    a, g = rng.random(shape), rng.random(shape)

    def length(alpha):
        parts = [ndimage.correlate(alpha, k, mode="nearest") ** 2 for k in kernels(len(shape))]
        return np.sqrt(sum(parts))

    assert gradient_error(a, g) == pytest.approx(((length(a) - length(g)) ** 2).sum(), rel=1e-9)


def test_a_ramp_by_hand():
    t = np.arange(-4, 5)
    w = np.exp(-(t**2) / (2 * 1.4**2))
    slope = 0.01 * (t**2 * w).sum() / np.sqrt((t**2 * w**2).sum())
    expected = slope * w.sum() / np.sqrt((w**2).sum())
    ramp = np.broadcast_to(0.01 * np.arange(40.0), (20, 40))
    assert HALF_SIZE == 4
    assert gradient_magnitude(ramp)[10, 5:35] == pytest.approx(np.full(30, expected))


def test_one_slice_counts_as_an_image():
    rng = np.random.default_rng(3)
    a, g = rng.random((6, 7)), rng.random((6, 7))
    assert gradient_error(a[None], g[None]) == gradient_error(a, g)
    assert gradient_error([[0.3]], [[0.9]]) == 0


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(np.float32, (2, 3, 4, 5), elements=st.floats(0, 1, width=32)),
    st.permutations((0, 1, 2)),
    st.integers(0, 2),
)
def test_symmetric_and_blind_to_flips_permutations_and_offsets(pair, order, axis):
    a, g = pair.astype(np.float64)

    def move(x):
        return np.flip(x.transpose(order), axis)

    error = gradient_error(a, g)
    assert gradient_error(g, a) == pytest.approx(error)
    assert gradient_error(move(a), move(g)) == pytest.approx(error, abs=1e-9)
    assert gradient_error(a, a) == 0
    assert gradient_error(a, a * 0.5 + 0.25) == pytest.approx(gradient_error(a, a * 0.5), abs=1e-9)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        gradient_error(np.full((3, 3), np.nan), np.zeros((3, 3)))
