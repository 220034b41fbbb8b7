"""Blocks of voxels for marks so large that every voxel would take too long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Blocks:
    """How many voxels make one block along each axis."""

    factors: tuple[int, int, int]

    @classmethod
    def for_count(cls, count: int, spacing: tuple[float, float, float], most: int) -> Blocks:
        """Block sizes that bring `count` voxels to at most `most`, finest axes first."""
        factors = [1, 1, 1]
        while count / np.prod(factors) > most:
            sizes = [s * f for s, f in zip(spacing, factors, strict=True)]
            finest = min(sizes)
            for axis in range(3):
                if sizes[axis] < 1.3 * finest:
                    factors[axis] += 1
        return cls(tuple(factors))

    @property
    def trivial(self) -> bool:
        """Whether a block is one voxel."""
        return max(self.factors) == 1

    def spacing(self, fine: tuple[float, float, float]) -> tuple[float, float, float]:
        """Size of a block in mm."""
        return tuple(s * f for s, f in zip(fine, self.factors, strict=True))

    def offset(self, fine: tuple[float, float, float]) -> tuple[float, float, float]:
        """Where the centre of the first block lies, in blocks from the volume's first voxel."""
        return tuple((o + (f - 1) / 2) / f for o, f in zip(fine, self.factors, strict=True))

    def means(self, a: npt.NDArray) -> Array:
        """Means over blocks; the last block of an axis repeats the edge."""
        a = np.pad(
            a,
            [(0, -n % f) for n, f in zip(a.shape, self.factors, strict=True)],
            mode="edge",
        ).astype(np.float32)
        for axis, f in enumerate(self.factors):
            shape = (*a.shape[:axis], a.shape[axis] // f, f, *a.shape[axis + 1 :])
            a = a.reshape(shape).mean(axis=axis + 1)
        return a

    def interpolate(self, a: npt.NDArray, shape: tuple[int, int, int]) -> Array:
        """Values of blocks, interpolated linearly on the fine grid."""
        points = np.meshgrid(
            *[(np.arange(n) + 0.5) / f - 0.5 for n, f in zip(shape, self.factors, strict=True)],
            indexing="ij",
        )
        return ndimage.map_coordinates(a.astype(np.float32), points, order=1, mode="nearest")
