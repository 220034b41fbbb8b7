"""Windows cover a region, and what they agree on comes out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.networks.windows import blended, corners, weights

sizes = st.tuples(*[st.sampled_from([4, 6, 8])] * 3)
more = st.tuples(*[st.integers(0, 20)] * 3)


@settings(max_examples=40, deadline=None)
@given(sizes, more)
def test_windows_that_agree_give_what_they_show(size, extra):
    shape = tuple(s + e for s, e in zip(size, extra, strict=True))
    truth = np.random.default_rng(0).random(shape).astype(np.float32)

    def window(corner):
        return truth[tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))]

    found = blended(shape, size, [(c, window(c)) for c in corners(shape, size)])
    assert found == pytest.approx(truth, abs=1e-6)


@given(st.integers(4, 60), st.integers(4, 300))
def test_neighbours_overlap_by_a_quarter(size, length):
    length = max(size, length)
    (firsts,) = zip(*corners((length,), (size,)), strict=True)
    assert (firsts[0], firsts[-1]) == (0, length - size)
    assert all(b - a <= np.ceil(0.75 * size) for a, b in pairwise(firsts))


def test_where_windows_differ_there_is_no_step():
    shape, size = (1, 1, 160), (1, 1, 64)
    places = corners(shape, size)
    said = [np.full(size, number % 2, np.float32) for number in range(len(places))]
    line = blended(shape, size, zip(places, said, strict=True)).ravel()
    assert line.min() < 0.01
    assert line.max() > 0.99
    assert np.abs(np.diff(line)).max() < 0.15


def test_a_single_window_keeps_its_bits():
    one = np.random.default_rng(1).random((4, 6, 8)).astype(np.float32)
    assert blended(one.shape, one.shape, [((0, 0, 0), one)]).tobytes() == one.tobytes()
    assert weights(one.shape).min() > 0


def test_a_region_smaller_than_a_window_is_refused():
    with pytest.raises(ValueError, match="at least"):
        corners((3, 9), (4, 4))
