"""Sums over small windows by pooling, and the windows' linear models, with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import avg_pool3d, pad

Tensor = torch.Tensor


@dataclass(frozen=True)
class Sides:
    """Sides of the windows along each axis, 1 to 3, and how sums over them are placed.

    A window is named by its middle voxel along axes of three, by its first one along others.
    """

    sides: tuple[int, ...]

    @property
    def count(self) -> int:
        """Voxels in a window."""
        return int(np.prod(self.sides))

    def over_windows(self, a: Tensor) -> Tensor:
        """Sums over the voxels of each window, shape (n, slices, rows, columns)."""
        return self._pool(a, tuple(int(n == 3) for n in self.sides))

    def over_holders(self, a: Tensor) -> Tensor:
        """Sums over the windows that hold each voxel: the transpose."""
        return self._pool(a, tuple(n // 2 for n in self.sides))

    def _pool(self, a: Tensor, padding: tuple[int, ...]) -> Tensor:
        if any(n < side for n, side in zip(a.shape[1:], self.sides, strict=True)):
            # Pooling looks at the length before it pads.
            a, padding = pad(a, [p for p in padding[::-1] for _ in range(2)]), (0, 0, 0)
        return avg_pool3d(a, self.sides, 1, padding, divisor_override=1)

    def valid(self, shapes: Sequence[tuple[int, ...]], device: torch.device) -> Tensor:
        """Which windows lie wholly in their crop, shape (crops, windows along each axis), bool."""
        inside = torch.ones((len(shapes), 1, 1, 1), dtype=torch.bool, device=device)
        for axis, side in enumerate(self.sides):
            lengths = torch.tensor([s[axis] for s in shapes], device=device)
            first = int(side == 3)
            at = torch.arange(int(lengths.max()) - side + 1 + 2 * first, device=device)
            along = (at >= first) & (at < (lengths[:, None] - side + 1 + first))
            shape = [len(shapes), 1, 1, 1]
            shape[axis + 1] = -1
            inside = inside & along.reshape(shape)
        return inside


def learned_models(m: Tensor, spread: Tensor, n: int, r: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, slope and constant of learning-based matting.

    With M the inverse of ``X^T X + r``, X = [I, 1], a window's matrix is ``K = 2 M - M X^T X M``,
    which is ``M + r M^2``. Its entries belong to the model of slope K11 about the mean
    ``-K12 / K11`` with the constant ``det K / K11``.
    """
    second = spread + n * m * m
    determinant = n * spread + r * (second + n + r)
    m11, m22, m12 = (n + r) / determinant, (second + r) / determinant, n * m / determinant
    trace = 1 + r * (m11 + m22)
    k11 = m11 + r * (m11 * m11 + m12 * m12)
    return m12 * trace / k11, k11, (trace + r * r / determinant) / (determinant * k11)
