"""Distances as far as a limit are those of an exact transform."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipelines.distance import distance_within


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.one_of(st.tuples(*[st.integers(1, 12)] * 3), st.tuples(*[st.integers(1, 20)] * 2)),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    limit=st.floats(0.1, 12),
    share=st.sampled_from([0.02, 0.3, 0.95]),
)
def test_it_agrees_with_the_exact_transform(seed, shape, spacing, limit, share):
    target = np.random.default_rng(seed).random(shape) < share
    spacing = spacing[: len(shape)]
    found = distance_within(target, spacing, limit)
    exact = np.full(shape, np.inf)
    if target.any():
        exact = ndimage.distance_transform_edt(~target, sampling=spacing)
    # Distances equal to the limit may fall on either side by rounding.
    clear = np.abs(exact - limit) > 1e-3
    assert np.allclose(found[clear & (exact < limit)], exact[clear & (exact < limit)], atol=1e-3)
    assert np.isinf(found[clear & (exact > limit)]).all()
    assert found.dtype == np.float32
