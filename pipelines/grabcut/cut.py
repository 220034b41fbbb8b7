"""Minimum cut of a voxel grid with 6-neighbour links measured in mm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

_SCALE = 256
"""Integer capacities: log-odds are cut at 1/256."""

_SURE = 12.0
"""Log-odds beyond which more makes no difference."""


def minimum_cut(
    log_odds: npt.NDArray[np.float32],
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    allowed: npt.NDArray[np.bool_],
    smoothness_mm: float,
    noise_hu: float,
) -> npt.NDArray[np.bool_]:
    """Labels that minimise the sum of log-odds against cut links (Boykov and Jolly, ICCV 2001).

    A link between neighbours at distance d mm costs
    ``smoothness_mm / d * exp(-(difference / s)**2 / 2)``: dividing the energy by the volume of a
    voxel leaves 1/d of the area of a face, so that the outline costs the same per mm^2 in each
    direction. s is the root mean square difference of neighbours, at least `noise_hu`.

    Parameters
    ----------
    log_odds : ndarray of float32, axes (slice, row, column)
        Positive where a voxel by itself is likelier lesion.
    image : ndarray, same shape
        HU.
    spacing : tuple of float
        Voxel size in mm.
    allowed : ndarray of bool, same shape
        Voxels that may become lesion; the others are background.
    smoothness_mm, noise_hu : float
        Strength of the links and least difference that counts as an edge.

    Returns
    -------
    ndarray of bool, same shape
        True where the cut leaves a voxel with the lesion.
    """
    result = np.zeros(log_odds.shape, bool)
    count = int(allowed.sum())
    if count == 0:
        return result
    node = np.full(log_odds.shape, -1, np.int32)
    node[allowed] = np.arange(count, dtype=np.int32)
    unary = np.clip(log_odds, -_SURE, _SURE).astype(np.float64)
    heads, tails, capacities = [], [], []
    intensities = image.astype(np.float32)
    for axis, distance in enumerate(spacing):
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
        touched = allowed[low] | allowed[high]
        if not touched.any():
            continue
        difference = intensities[high] - intensities[low]
        scale = max(float(np.sqrt(np.mean(difference[touched] ** 2))), noise_hu)
        cost = smoothness_mm / distance * np.exp(-0.5 * (difference / scale) ** 2)
        # A link to a voxel that is background anyway counts against its neighbour directly.
        np.subtract(unary[low], cost, out=unary[low], where=~allowed[high])
        np.subtract(unary[high], cost, out=unary[high], where=~allowed[low])
        both = allowed[low] & allowed[high]
        heads.append(node[low][both])
        tails.append(node[high][both])
        capacities.append(np.rint(cost[both] * _SCALE).astype(np.int32))
    source, sink = count, count + 1
    terminal = np.rint(unary[allowed] * _SCALE).astype(np.int32)
    (lesion,) = np.nonzero(terminal > 0)
    (background,) = np.nonzero(terminal < 0)
    if len(lesion) == 0:
        return result
    one, other = np.concatenate(heads or [lesion[:0]]), np.concatenate(tails or [lesion[:0]])
    link = np.concatenate(capacities or [terminal[:0]])
    graph = coo_matrix(
        (
            np.concatenate([link, link, terminal[lesion], -terminal[background]]),
            (
                np.concatenate([one, other, np.full(len(lesion), source), background]),
                np.concatenate([other, one, lesion, np.full(len(background), sink)]),
            ),
        ),
        shape=(count + 2, count + 2),
    ).tocsr()
    residual = graph - maximum_flow(graph, source, sink).flow
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = breadth_first_order(residual, source, return_predecessors=False)
    labels = np.zeros(count + 2, bool)
    labels[reached] = True
    result[allowed] = labels[:count]
    return result
