"""The voxels most like each unknown voxel, sought among those that lie nearest in mm.

KNN and information-flow matting tie a voxel to others of similar intensity and place. A tree over
all voxels is not needed: partial volume is a matter of a few millimetres, so only a fixed
neighbourhood is looked at, for unknown voxels only. Voxels that are exactly as far as the last one
wanted all come along and share its weight. No order of scanning therefore shows in the answer, and
flips and permutations of the axes commute with the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined
from pipelines.errors import UnknownParameterError
from pipelines.matting.problem import MattingProblem

REACH = 12
"""How far the neighbourhood goes at most along an axis, in voxels."""

OUTSIDE, BACKGROUND, FOREGROUND = -3, -2, -1
"""What `Neighbourhood.number` says of voxels that are not unknown."""

_STRIDE = np.int32(1 << 21)
"""A quarter of an octave, in the bits of a float32."""

_FAR = 1e9
"""Intensity of what may not be a neighbour; all other squared distances are less."""


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """A matting problem in flat arrays with a margin, and where neighbours may lie.

    Attributes
    ----------
    guide : ndarray of float32, flat
        Intensities in [0, 1]; 0 in the margin.
    number : ndarray of int32, flat
        Number of each unknown voxel, in the order of ``problem.unknown.nonzero()``; else -1
        foreground, -2 background, -3 outside of the image.
    alpha : ndarray of float32, flat
        Alpha of the known voxels, else 0.
    rows : ndarray of int32, shape (unknown voxels,)
        Where the unknown voxels lie in the flat arrays.
    steps : ndarray of int32, shape (candidates,)
        Offsets in the flat arrays, nearest first, without 0.
    offset_mm : ndarray of float32, shape (candidates, 3)
        The same offsets in mm; 0 along an axis that a 2D image lacks.
    squared_mm : ndarray of float32, shape (candidates,)
        Squared length of each offset in mm².
    """

    guide: npt.NDArray[np.float32]
    number: npt.NDArray[np.int32]
    alpha: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int32]
    steps: npt.NDArray[np.int32]
    offset_mm: npt.NDArray[np.float32]
    squared_mm: npt.NDArray[np.float32]

    @classmethod
    def of(cls, problem: MattingProblem, candidates: int) -> Neighbourhood:
        """Lay out a problem.

        Parameters
        ----------
        problem : MattingProblem
            Read with a reach of `REACH`; some voxel is unknown.
        candidates : int
            How many voxels around each unknown one are looked at. All that are exactly as far as
            the last of them are looked at, too.
        """
        shape = (1,) * (3 - problem.image.ndim) + problem.image.shape
        spacing = (1.0,) * (3 - problem.image.ndim) + problem.spacing
        whole = (1,) * (3 - problem.image.ndim) + problem.alpha.shape
        offsets, squared = nearest_offsets(whole, spacing, candidates)
        margin = np.abs(offsets).max(axis=0, initial=0)
        trimap = problem.trimap.reshape(shape)
        # The problem was read before it was known how far the offsets go.
        seen = tuple(
            slice(max(int(where[0]) - int(m), 0), int(where[-1]) + int(m) + 1)
            for where, m in zip(_unknown_planes(trimap), margin, strict=True)
        )
        low, high = problem.window
        image = problem.image.reshape(shape)[seen].astype(np.float32)
        guide, alpha, number, rows = _lay_out(
            image,
            trimap[seen],
            problem.known.reshape(shape)[seen],
            np.float32(low),
            np.float32(high - low),
            tuple(int(m) for m in margin),
            problem.count,
        )
        strides = np.array(guide.strides) // guide.itemsize
        return cls(
            guide.ravel(),
            number.ravel(),
            alpha.ravel(),
            rows,
            (offsets @ strides).astype(np.int32),
            (offsets * np.array(spacing)).astype(np.float32),
            squared.astype(np.float32),
        )

    def nearest(
        self, count: int, position_mm: float, eligible: npt.NDArray[np.bool_]
    ) -> Neighbours:
        """The `count` voxels most like each unknown voxel.

        Parameters
        ----------
        count : int
            How many.
        position_mm : float
            How many mm count as much as the whole intensity window.
        eligible : ndarray of bool, flat
            Which voxels may be neighbours; none in the margin.
        """
        place = (self.squared_mm / np.float32(position_mm) ** 2).astype(np.float32)
        own = self.guide[self.rows]
        seen = np.where(eligible, self.guide, np.float32(_FAR))
        return Neighbours(*_nearest(self.rows, own, seen, self.steps, place, count))

    def faces(self) -> Neighbours:
        """The voxels that share a face with each unknown one, where they are candidates."""
        step = [np.abs(mm[mm != 0]).min(initial=np.inf) for mm in self.offset_mm.T]
        far = np.abs(self.offset_mm)
        (faces,) = ((far > 0).sum(axis=1) == 1).nonzero()
        faces = faces[(far[faces] <= np.array(step)).all(axis=1)].astype(np.int32)
        inside = self.number[self.rows[:, None] + self.steps[faces]] != OUTSIDE
        start = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
        which = np.broadcast_to(faces, inside.shape)[inside]
        return Neighbours(start, which, np.ones(len(which), np.float32))


@dataclass(frozen=True, eq=False)
class Neighbours:
    """For each unknown voxel a list of others.

    Attributes
    ----------
    start : ndarray of int64, shape (unknown voxels + 1,)
        Where each list begins in the arrays below, and the end.
    which : ndarray of int32
        Which offset of the neighbourhood leads to the neighbour.
    weight : ndarray of float32
        1, or less where voxels exactly as far away share the last places.
    """

    start: npt.NDArray[np.int64]
    which: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]


def check_search(
    neighbours: tuple[int, ...], position_mm: tuple[float, ...], candidates: int
) -> None:
    """Refuse a search that makes no sense.

    Raises
    ------
    UnknownParameterError
        If there are not as many `position_mm` as `neighbours`, or none; or a number is not whole or
        below 1, or a length not positive and finite.
    """
    if not neighbours or len(neighbours) != len(position_mm):
        raise UnknownParameterError(
            f"found neighbours {neighbours} and position_mm {position_mm}, expected as many of both"
        )
    if any(k != int(k) or k < 1 for k in (*neighbours, candidates)):
        raise UnknownParameterError(
            f"found neighbours {neighbours} and {candidates} candidates, expected whole numbers"
        )
    if not all(np.isfinite(mm) and mm > 0 for mm in position_mm):
        raise UnknownParameterError(f"position_mm: found {position_mm}, expected lengths in mm")


def nearest_offsets(
    shape: tuple[int, ...], spacing: tuple[float, ...], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Offsets to the voxels nearest to a voxel, nearest first, without the voxel itself.

    Parameters
    ----------
    shape : tuple of int
        Of the image; offsets that no pair of its voxels has are left out.
    spacing : tuple of float
        Voxel size in mm.
    count : int
        How many; all that are as far as the last one come along, and all within one and a half
        steps of the longest axis, so that thick slices find each other.

    Returns
    -------
    ndarray of int64, shape (offsets, axes)
        At most `REACH` along each axis.
    ndarray of float64, shape (offsets,)
        Squared lengths in mm².
    """
    return _nearest_offsets(tuple(min(n, REACH + 1) for n in shape), tuple(spacing), count)


@lru_cache(maxsize=64)
def _nearest_offsets(
    shape: tuple[int, ...], spacing: tuple[float, ...], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    grids = np.meshgrid(*(np.arange(1 - n, n) for n in shape), indexing="ij")
    offsets = np.stack([g.ravel() for g in grids], axis=1)
    # Summed from the least to the greatest, so that permuted axes round alike.
    squared = np.sort((offsets * np.array(spacing)) ** 2, axis=1).sum(axis=1)
    order = np.argsort(squared, kind="stable")[1:]
    offsets, squared = offsets[order], squared[order]
    if len(squared) > count:
        longest = max(s for s, n in zip(spacing, shape, strict=True) if n > 1)
        kept = squared <= max(squared[count - 1], (1.5 * longest) ** 2)
        offsets, squared = offsets[kept], squared[kept]
    offsets.flags.writeable = squared.flags.writeable = False
    return offsets, squared


def _unknown_planes(trimap: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.intp]]:
    """For each axis the indices at which some voxel is unknown."""
    unknown = trimap == 1
    plane = unknown.any(axis=2)
    return [
        plane.any(axis=1).nonzero()[0],
        plane.any(axis=0).nonzero()[0],
        unknown.any(axis=(0, 1)).nonzero()[0],
    ]


@compiled
def _lay_out(image, trimap, known, low, width, margin, count):
    """Guide, alpha, number, with a margin, and where the unknown voxels lie in them."""
    depth, height, breadth = image.shape
    before, above, left = margin
    shape = (depth + 2 * before, height + 2 * above, breadth + 2 * left)
    guide, alpha = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    number = np.full(shape, np.int32(OUTSIDE), np.int32)
    rows = np.empty(count, np.int32)
    zero, one = np.float32(0), np.float32(1)
    found = 0
    for z in range(depth):
        for y in range(height):
            for x in range(breadth):
                at = z + before, y + above, x + left
                guide[at] = min(max((image[z, y, x] - low) / width, zero), one)
                alpha[at] = known[z, y, x]
                number[at] = FOREGROUND if trimap[z, y, x] == 2 else BACKGROUND
                if trimap[z, y, x] == 1:
                    rows[found] = (at[0] * shape[1] + at[1]) * shape[2] + at[2]
                    number[at] = found
                    found += 1
    return guide, alpha, number, rows


@compiled
def _nearest(rows, own, guide, steps, place, count):
    """Lists of the nearest; see `Neighbours`. What may not be a neighbour is very far in guide."""
    start = np.zeros(len(rows) + 1, np.int64)
    which = np.empty(len(rows) * (count + 2) + len(steps), np.int32)
    weight = np.ones(len(which), np.float32)
    distance = np.empty(len(steps), np.float32)
    # Floats that are not negative have the order of their bits as whole numbers.
    bits = distance.view(np.int32)
    limit = np.full(1, _FAR, np.float32).view(np.int32)[0]
    filled, bound = 0, limit // np.int32(2)
    for row in range(len(rows)):
        at, value = rows[row], own[row]
        for k in range(len(steps)):
            difference = guide[at + steps[k]] - value
            distance[k] = difference * difference + place[k]
        bound, number = _bound(bits, count, limit, bound)
        if filled + len(steps) > len(which):
            which = np.concatenate((which, np.empty(len(which), np.int32)))
            weight = np.concatenate((weight, np.ones(len(weight), np.float32)))
        most = min(bound, limit - np.int32(1))
        nearer = 0
        first = filled
        for k in range(len(steps)):  # without branches
            which[filled] = k
            nearer += bits[k] < bound
            filled += bits[k] <= most
        tied = filled - first - nearer
        if tied > 1 and number != count and bound < limit:
            share = np.float32((count - nearer) / tied)
            for k in range(first, filled):
                if bits[which[k]] == bound:
                    weight[k] = share
        start[row + 1] = filled
    return start, which[:filled].copy(), weight[:filled].copy()


@inlined
def _bound(bits, count, limit, guess):
    """The least number that at least `count` of `bits` do not exceed, or one that just so many do.

    Found by halving: counting takes no branches, which sorting would. A voxel's bound is near that
    of the voxel before it, `guess`, so that the search begins there and strides out. Returns the
    bound, `limit` where there are fewer, and how many do not exceed it.
    """
    low, high, number = np.int32(-1), limit, 0
    middle, stride = min(guess, limit - np.int32(1)), _STRIDE
    while high - low > 1 and number != count:
        number = _at_most(bits, middle)
        if number >= count:
            high = middle
            middle -= stride
        else:
            low = middle
            middle += min(stride, limit - middle)
        stride *= np.int32(2)
        if middle <= low or middle >= high or (low >= 0 and high < limit):
            middle = low + (high - low) // np.int32(2)
    return high, number


@inlined
def _at_most(bits, most):
    total = np.int32(0)
    for k in range(len(bits)):
        total += np.int32(bits[k] <= most)
    return total
