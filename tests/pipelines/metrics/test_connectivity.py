"""The connectivity error by hand, and its symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.metrics import connectivity_error


@pytest.mark.parametrize(
    ("a", "g", "expected"),
    [
        # The last voxel hangs on nothing in either mask; the gap is connected in one of them.
        ([1, 1, 0, 1], [1, 1, 1, 1], 1.0),
        # Connected up to 0.5, where the reference is 0.5 above.
        ([1, 1, 0.5], [1, 1, 1], 0.5),
        # Less than 0.15 above its level counts as connected.
        ([1, 1, 0.9], [1, 1, 1], 0.0),
        # Nothing is shared at any level: each mask's own voxel is wholly unconnected.
        ([1, 0, 0], [0, 0, 1], 2.0),
        ([0, 0, 0], [0, 0, 0], 0.0),
    ],
)
@pytest.mark.parametrize("shape", [(1, -1), (-1, 1, 1)])
def test_values_by_hand(a, g, expected, shape):
    a, g = np.reshape(a, shape), np.reshape(g, shape)
    assert connectivity_error(a, g) == pytest.approx(expected)


def test_corners_do_not_connect():
    a = np.zeros((2, 3))
    a[0, :2], a[1, 2] = 1, 1
    g = np.ones((2, 3))
    # Two voxels belong, one touches them by a corner; three more are in the reference alone.
    assert connectivity_error(a, g) == pytest.approx(3.0)


def test_float32_levels_are_reached():
    a = np.array([[1, 0.7]], np.float32)
    assert connectivity_error(a, np.ones((1, 2), np.float32)) == pytest.approx(0.3, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float32, (2, 3, 4, 3), elements=st.floats(0, 1, width=32)),
    st.permutations((0, 1, 2)),
    st.integers(0, 2),
)
def test_symmetric_blind_to_flips_and_zero_for_equal_masks(pair, order, axis):
    a, g = pair

    def move(x):
        return np.flip(x.transpose(order), axis)

    error = connectivity_error(a, g)
    assert connectivity_error(g, a) == pytest.approx(error)
    assert connectivity_error(move(a), move(g)) == pytest.approx(error, abs=1e-9)
    assert connectivity_error(a, a) == 0
    assert 0 <= error <= a.size
