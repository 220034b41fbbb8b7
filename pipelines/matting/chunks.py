"""The unknown voxels of a trimap and the windows that hold them, as chunks of eight along a row.

A band around a lesion fills a small part of its box. Only rows of eight voxels (`lanes.WIDTH`) that
hold a window with an unknown voxel are kept; each knows its neighbours above and below. Chunk 0 is
empty and stands for every neighbour that is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.matting.lanes import WIDTH

Index = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Chunks:
    """Kept chunks in the order of slice, row, column.

    Attributes
    ----------
    place : ndarray of int32, shape (chunks, 3)
        Slice, row and first column of each chunk.
    unknown : ndarray of uint8, shape (chunks,)
        Bit k says that voxel k is unknown.
    neighbours : ndarray of int32, shape (chunks, 4)
        The chunk one slice before, one slice after, one row before, one row after; 0 if not kept.
    joined : ndarray of bool, shape (chunks + 1,)
        Whether the chunk before this one in memory is also its neighbour in the row.
    slices : ndarray of int32, shape (slices + 1,)
        First chunk of each slice, and the end.
    """

    place: Index
    unknown: npt.NDArray[np.uint8]
    neighbours: Index
    joined: npt.NDArray[np.bool_]
    slices: Index

    @classmethod
    def around_unknown(cls, trimap: npt.NDArray[np.uint8], size: int) -> Chunks:
        """Chunks of all windows that hold an unknown voxel.

        Parameters
        ----------
        trimap : ndarray of uint8, 3D
            1 is unknown.
        size : int
            Side of a window: 3, or 2 for windows from a voxel to its next ones.
        """
        return cls(*_chunks(trimap, size))

    @cached_property
    def positions(self) -> npt.NDArray[np.intp]:
        """Places of the unknown voxels in arrays of eight numbers a chunk, in their order."""
        return np.unpackbits(self.unknown, bitorder="little").nonzero()[0]

    def gather(self, values: npt.NDArray, out: npt.NDArray) -> None:
        """Write the unknown voxels' values to their places in chunks.

        Parameters
        ----------
        values : ndarray, 3D, shape of the trimap
        out : ndarray, shape (8 * chunks,)
        """
        _gather(values, self.place, self.unknown, out)

    def scatter(self, values: npt.NDArray, out: npt.NDArray[np.float32]) -> None:
        """Write values in chunks, clipped to [0, 1], to the unknown voxels of a 3D array."""
        _scatter(values, self.place, self.unknown, out)


@compiled
def _gather(values, place, unknown, out):
    for chunk in range(1, len(unknown)):
        z, y, x = place[chunk]
        for k in range(WIDTH):
            if unknown[chunk] >> k & 1:
                out[chunk * WIDTH + k] = values[z, y, x + k]


@compiled
def _scatter(values, place, unknown, out):
    for chunk in range(1, len(unknown)):
        z, y, x = place[chunk]
        for k in range(WIDTH):
            if unknown[chunk] >> k & 1:
                out[z, y, x + k] = min(max(values[chunk * WIDTH + k], 0.0), 1.0)


@compiled
def _chunks(trimap, size):
    depth, height, breadth = trimap.shape
    count = (breadth + WIDTH - 1) // WIDTH
    bits = np.zeros((depth + 2, height + 2, count + 2), np.uint8)
    for z in range(depth):
        for y in range(height):
            for c in range(count):
                byte = 0
                for k in range(min(WIDTH, breadth - c * WIDTH)):
                    byte |= (trimap[z, y, c * WIDTH + k] == 1) << k
                bits[z + 1, y + 1, c + 1] = byte
    # A window of side 3 is named by its middle, one of side 2 by its first voxel.
    back = 1 if size == 3 else 0
    index = np.zeros((depth + 2, height + 2, count + 2), np.int32)
    slices = np.empty(depth + 1, np.int32)
    kept = 1
    for z in range(1, depth + 1):
        slices[z - 1] = kept
        for y in range(1, height + 1):
            for c in range(1, count + 1):
                own = before = after = 0
                for dz in range(-back, 2):
                    for dy in range(-back, 2):
                        own |= bits[z + dz, y + dy, c]
                        before |= bits[z + dz, y + dy, c - 1]
                        after |= bits[z + dz, y + dy, c + 1]
                if own or after & 1 or (back and before >> (WIDTH - 1)):
                    index[z, y, c] = kept
                    kept += 1
    slices[depth] = kept
    place = np.zeros((kept, 3), np.int32)
    unknown = np.zeros(kept, np.uint8)
    neighbours = np.zeros((kept, 4), np.int32)
    joined = np.zeros(kept + 1, np.bool_)
    for z in range(1, depth + 1):
        for y in range(1, height + 1):
            for c in range(1, count + 1):
                own = index[z, y, c]
                if own:
                    place[own, 0] = z - 1
                    place[own, 1] = y - 1
                    place[own, 2] = (c - 1) * WIDTH
                    unknown[own] = bits[z, y, c]
                    neighbours[own, 0] = index[z - 1, y, c]
                    neighbours[own, 1] = index[z + 1, y, c]
                    neighbours[own, 2] = index[z, y - 1, c]
                    neighbours[own, 3] = index[z, y + 1, c]
                    joined[own] = index[z, y, c - 1] > 0
    return place, unknown, neighbours, joined, slices
