"""The maximum flow is the maximum: the same value and the same smallest cut as scipy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from pipelines.grabcut.cut import GridLinks
from pipelines.grabcut.max_flow import source_side


def grid_problem(rng, shape, strength):
    """Terminals, neighbours and residuals of a whole grid."""
    count = int(np.prod(shape))
    node = np.arange(count, dtype=np.int32).reshape(shape)
    neighbour = np.full((count, 6), -1, np.int32)
    residual = np.zeros((count, 6), np.int32)
    for axis in range(3):
        low = node.take(range(shape[axis] - 1), axis).ravel()
        high = node.take(range(1, shape[axis]), axis).ravel()
        cost = rng.integers(0, strength + 1, len(low)).astype(np.int32)
        neighbour[low, 2 * axis + 1], neighbour[high, 2 * axis] = high, low
        residual[low, 2 * axis + 1] = residual[high, 2 * axis] = cost
    return rng.integers(-300, 301, count).astype(np.int32), neighbour, residual


def by_scipy(terminal, neighbour, residual):
    """Flow and smallest source side, by scipy."""
    count = len(terminal)
    rows, slots = np.nonzero(neighbour >= 0)
    lesion, background = np.flatnonzero(terminal > 0), np.flatnonzero(terminal < 0)
    heads = np.concatenate([rows, np.full(len(lesion), count), background])
    tails = np.concatenate([neighbour[rows, slots], lesion, np.full(len(background), count + 1)])
    room = np.concatenate([residual[rows, slots], terminal[lesion], -terminal[background]])
    graph = coo_matrix((room, (heads, tails)), shape=(count + 2, count + 2)).tocsr()
    result = maximum_flow(graph, count, count + 1)
    left = graph - result.flow
    left.data = np.maximum(left.data, 0)
    left.eliminate_zeros()
    side = np.zeros(count + 2, bool)
    side[breadth_first_order(left, count, return_predecessors=False)] = True
    return result.flow_value, side[:count]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    strength=st.sampled_from([0, 20, 150, 1000]),
)
def test_flow_and_cut_are_scipys(seed, shape, strength):
    problem = grid_problem(np.random.default_rng(seed), shape, strength)
    flow, side = by_scipy(*problem)
    found, ours = None, None
    ours, found = source_side(*[a.copy() for a in problem])
    assert found == flow
    assert (ours == side).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(*[st.integers(1, 10)] * 3),
    smoothness=st.sampled_from([0.0, 0.2, 2.0, 8.0]),
)
def test_what_is_decided_beforehand_is_right(seed, shape, smoothness):
    rng = np.random.default_rng(seed)
    image = rng.normal(-400, 200, shape).astype(np.float32)
    log_odds = rng.normal(0, 2, shape).astype(np.float32)
    allowed = rng.random(shape) < 0.8
    links = GridLinks.between(image, (2.5, 0.7, 0.9), allowed, smoothness, 40.0)
    mask, _ = links.minimum_cut(log_odds)

    terminal, neighbour, residual = grid_problem(rng, shape, 0)
    node = np.arange(image.size).reshape(shape)
    for axis in range(3):
        low = node.take(range(shape[axis] - 1), axis).ravel()
        high = node.take(range(1, shape[axis]), axis).ravel()
        cost = links.cost[axis].ravel()[low]
        residual[low, 2 * axis + 1] = residual[high, 2 * axis] = cost
    terminal = np.rint(np.clip(log_odds, -12, 12) * np.float32(256)).astype(np.int32).ravel()
    terminal[~allowed.ravel()] = -10_000_000
    _, side = by_scipy(terminal, neighbour, residual)
    assert (mask.ravel() == side).all()
