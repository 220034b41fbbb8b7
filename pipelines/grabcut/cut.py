"""Minimum cut of a voxel grid with 6-neighbour links measured in mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined
from pipelines.grabcut.max_flow import source_side

_SCALE = 256
"""Integer capacities: log-odds are cut at 1/256."""

_SURE = 12.0
"""Log-odds beyond which more makes no difference."""

_MOST_LINK = np.float32(256 * 12 * 7)
"""A link that outweighs the surest voxel and its six others; more makes no difference either."""

_FINE, _LONGEST = 64, 24
_EXP = np.exp(-np.arange(_LONGEST * _FINE + 2, dtype=np.float32) / _FINE)
"""exp(-x) in steps of 1/64 to 24: in between it is linear to 3e-5, beyond it no link is left."""

_LESION = 2
"""State of a voxel; beside it -1 outside of what is allowed, 0 background, 1 still open."""


@dataclass(frozen=True, eq=False)
class GridLinks:
    """Links between neighbours of a grid, in parts of 1/256, kept for a box of it.

    Attributes
    ----------
    box : tuple of slice
        What holds all voxels that may become lesion and, within the grid, their neighbours.
    cost : ndarray of int32, shape (3, slices, rows, columns) of the box
        Cost of cutting the link from each voxel to the next one along each axis.
    allowed : ndarray of bool, shape of the box
        Voxels that may become lesion; the others are background.
    around : ndarray of int32, shape of the box
        Sum of the links of each voxel.
    """

    box: tuple[slice, slice, slice]
    cost: npt.NDArray[np.int32]
    allowed: npt.NDArray[np.bool_]
    around: npt.NDArray[np.int32]

    @classmethod
    def between(
        cls,
        image: npt.NDArray,
        spacing: tuple[float, float, float],
        allowed: npt.NDArray[np.bool_],
        smoothness_mm: float,
        noise_hu: float,
    ) -> GridLinks:
        """Contrast-weighted links (Boykov and Jolly, ICCV 2001), measured in mm.

        A link between neighbours at distance d mm costs
        ``smoothness_mm / d * exp(-(difference / s)**2 / 2)``: dividing the energy by the volume of
        a voxel leaves 1/d of the area of a face, so that the outline costs the same per mm^2 in
        each direction. s is the root mean square difference of neighbours along that axis, at least
        `noise_hu`.

        Parameters
        ----------
        image : ndarray, axes (slice, row, column)
            HU.
        spacing : tuple of float
            Voxel size in mm.
        allowed : ndarray of bool, same shape
            Voxels that may become lesion.
        smoothness_mm, noise_hu : float
            Strength of the links and least difference that counts as an edge.
        """
        box = box_around(allowed)
        image = np.ascontiguousarray(image[box], np.float32)
        allowed = np.ascontiguousarray(allowed[box])
        cost = np.zeros((3, *image.shape), np.int32)
        around = np.zeros(image.shape, np.int32)
        _link_costs(
            image,
            allowed,
            np.array([smoothness_mm / s for s in spacing]),
            float(noise_hu),
            cost,
            around,
        )
        return cls(box, cost, allowed, around)

    def minimum_cut(self, log_odds: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.bool_], int]:
        """Labels that minimise the sum of log-odds against cut links, and the flow that shows it.

        Voxels whose log-odds exceed all of their open links together are decided first (they have
        the same label in every minimum cut); a maximum flow decides the rest. Of several minimum
        cuts the smallest lesion is taken.

        Parameters
        ----------
        log_odds : ndarray of float32, axes (slice, row, column)
            Positive where a voxel by itself is likelier lesion; cut off at 12.

        Returns
        -------
        lesion : ndarray of bool, same shape
            True where the cut leaves a voxel with the lesion.
        flow : int
            Maximum flow among the voxels that were left open, in 1/256.
        """
        lesion = np.zeros(log_odds.shape, bool)
        state = np.empty(self.allowed.shape, np.int8)
        unary = np.empty(self.allowed.shape, np.int32)
        count = _decide(
            np.ascontiguousarray(log_odds[self.box], np.float32),
            self.allowed,
            self.cost,
            self.around,
            state,
            unary,
        )
        flow = 0
        if count:
            side, flow = source_side(*_open_nodes(state, unary, self.cost, count))
            _write_back(state, side)
        lesion[self.box] = state == _LESION
        return lesion, int(flow)


def minimum_cut(
    log_odds: npt.NDArray[np.float32],
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    allowed: npt.NDArray[np.bool_],
    smoothness_mm: float,
    noise_hu: float,
) -> npt.NDArray[np.bool_]:
    """Minimum cut of one grid; see `GridLinks.between` and `GridLinks.minimum_cut`."""
    links = GridLinks.between(image, spacing, allowed, smoothness_mm, noise_hu)
    return links.minimum_cut(log_odds)[0]


def box_around(mask: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    """The box of a mask and one voxel around it, within the image."""
    box = []
    for axis in range(mask.ndim):
        (there,) = mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)).nonzero()
        first, last = (there[0], there[-1]) if len(there) else (0, 0)
        box.append(slice(max(int(first) - 1, 0), int(last) + 2))
    return tuple(box)


@compiled
def _link_costs(image, allowed, weights, noise, cost, around):
    shape = image.shape
    for axis in range(3):
        di, dj, dk = int(axis == 0), int(axis == 1), int(axis == 2)
        total, count = 0.0, 0
        for i in range(shape[0] - di):
            for j in range(shape[1] - dj):
                for k in range(shape[2] - dk):
                    if allowed[i, j, k] or allowed[i + di, j + dj, k + dk]:
                        d = float(image[i + di, j + dj, k + dk] - image[i, j, k])
                        total += d * d
                        count += 1
        if count == 0:
            continue
        scale = max(np.sqrt(total / count), noise)
        factor = np.float32(0.5 * _FINE / (scale * scale))
        weight = np.float32(256 * weights[axis])
        for i in range(shape[0] - di):
            for j in range(shape[1] - dj):
                for k in range(shape[2] - dk):
                    if allowed[i, j, k] or allowed[i + di, j + dj, k + dk]:
                        d = image[i + di, j + dj, k + dk] - image[i, j, k]
                        place = min(factor * d * d, np.float32(_LONGEST * _FINE))
                        low = int(place)
                        e = _EXP[low] + (place - np.float32(low)) * (_EXP[low + 1] - _EXP[low])
                        w = int(min(weight * e, _MOST_LINK) + np.float32(0.5))
                        cost[axis, i, j, k] = w
                        around[i, j, k] += w
                        around[i + di, j + dj, k + dk] += w


@inlined
def _links_of(cost, state, i, j, k):
    """Sum of a voxel's links to open voxels, and of those to lesion less those to background."""
    shape = state.shape
    undecided, pull = 0, 0
    for d in range(6):
        axis, forward = d >> 1, d & 1
        di = (2 * forward - 1) if axis == 0 else 0
        dj = (2 * forward - 1) if axis == 1 else 0
        dk = (2 * forward - 1) if axis == 2 else 0
        a, b, c = i + di, j + dj, k + dk
        if a < 0 or b < 0 or c < 0 or a >= shape[0] or b >= shape[1] or c >= shape[2]:
            continue
        w = cost[axis, i, j, k] if forward else cost[axis, a, b, c]
        s = state[a, b, c]
        if s == 1:
            undecided += w
        elif s == 2:
            pull += w
        else:
            pull -= w
    return undecided, pull


@compiled
def _decide(log_odds, allowed, cost, around, state, unary):
    """Label voxels that no neighbour can sway; returns how many stay open."""
    shape = state.shape
    count = 0
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                if not allowed[i, j, k]:
                    state[i, j, k] = -1
                    unary[i, j, k] = 0
                    continue
                u = min(max(log_odds[i, j, k], np.float32(-12.0)), np.float32(12.0))
                number = int(np.rint(u * np.float32(256)))
                unary[i, j, k] = number
                # Strictly more for lesion: of equal cuts the smallest lesion is meant.
                if number > around[i, j, k]:
                    state[i, j, k] = 2
                elif -number >= around[i, j, k]:
                    state[i, j, k] = 0
                else:
                    state[i, j, k] = 1
                    count += 1
    # Only what stayed open is looked at again, a few times, now that neighbours are known.
    waiting = np.empty((count, 3), np.int32)
    left = 0
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                if state[i, j, k] == 1:
                    waiting[left, 0], waiting[left, 1], waiting[left, 2] = i, j, k
                    left += 1
    for sweep in range(4):
        before = left
        for n in range(left):
            m = left - 1 - n if sweep % 2 else n
            i, j, k = waiting[m]
            _settle(cost, state, unary, i, j, k)
        n = 0
        for m in range(left):
            i, j, k = waiting[m]
            if state[i, j, k] == 1:
                waiting[n, 0], waiting[n, 1], waiting[n, 2] = i, j, k
                n += 1
        left = n
        if left == before:
            break
    return left


@inlined
def _settle(cost, state, unary, i, j, k):
    """Decide one open voxel if its neighbours cannot sway it."""
    undecided, pull = _links_of(cost, state, i, j, k)
    u = unary[i, j, k] + pull
    if u > undecided:
        state[i, j, k] = 2
        return True
    if -u >= undecided:
        state[i, j, k] = 0
        return True
    return False


@compiled
def _open_nodes(state, unary, cost, count):
    """Number the open voxels; their terminal capacities, neighbours and links."""
    shape = state.shape
    node = np.full(shape, -1, np.int32)
    n = 0
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                if state[i, j, k] == 1:
                    node[i, j, k] = n
                    n += 1
    terminal = np.empty(count, np.int32)
    neighbour = np.full((count, 6), -1, np.int32)
    residual = np.zeros((count, 6), np.int32)
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                n = node[i, j, k]
                if n < 0:
                    continue
                _, pull = _links_of(cost, state, i, j, k)
                terminal[n] = unary[i, j, k] + pull
                for axis in range(3):
                    a, b, c = i + int(axis == 0), j + int(axis == 1), k + int(axis == 2)
                    if a >= shape[0] or b >= shape[1] or c >= shape[2]:
                        continue
                    m = node[a, b, c]
                    if m >= 0:
                        neighbour[n, 2 * axis + 1] = m
                        neighbour[m, 2 * axis] = n
                        residual[n, 2 * axis + 1] = cost[axis, i, j, k]
                        residual[m, 2 * axis] = cost[axis, i, j, k]
    return terminal, neighbour, residual


@compiled
def _write_back(state, side):
    """Labels of the open voxels, in the order in which they were numbered."""
    n = 0
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            for k in range(state.shape[2]):
                if state[i, j, k] == 1:
                    state[i, j, k] = 2 if side[n] else 0
                    n += 1
