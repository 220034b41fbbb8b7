"""The RECIST prior: one or two axes in patient coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


def line(name: str, value: npt.ArrayLike, dimensions: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Read-only end points of a line.

    Parameters
    ----------
    name : str
        For the error.
    value : array_like, shape (2, n)
    dimensions : tuple of int
        What n may be.

    Raises
    ------
    ValueError
        If the shape is wrong, a coordinate is not finite or both points are the same.
    """
    points = np.array(value, dtype=np.float64)
    if points.ndim != 2 or points.shape[0] != 2 or points.shape[1] not in dimensions:
        expected = " or ".join(f"(2, {n})" for n in dimensions)
        raise ValueError(f"{name}: found shape {points.shape}, expected {expected}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name}: found a coordinate that is not finite")
    if (points[0] == points[1]).all():
        raise ValueError(f"{name}: both end points are the same, expected a line")
    points.setflags(write=False)
    return points


@dataclass(frozen=True, eq=False)
class RecistAxes:
    """End points of the long axis and, where drawn, the short axis of a lesion.

    Attributes
    ----------
    long_axis : ndarray, shape (2, 3), float64
        End points in patient coordinates (LPS, mm).
    short_axis : ndarray, shape (2, 3), float64, or None
        End points of the perpendicular diameter; None for a one-axis mark.

    Raises
    ------
    ValueError
        If a shape is wrong, a coordinate is not finite or an axis has no length.
    """

    long_axis: npt.NDArray[np.float64]
    short_axis: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "long_axis", line("long_axis", self.long_axis, (3,)))
        if self.short_axis is not None:
            object.__setattr__(self, "short_axis", line("short_axis", self.short_axis, (3,)))

    @property
    def long_mm(self) -> float:
        """Length of the long axis in mm."""
        return float(np.linalg.norm(self.long_axis[1] - self.long_axis[0]))

    @property
    def short_mm(self) -> float | None:
        """Length of the short axis in mm, None if there is none."""
        if self.short_axis is None:
            return None
        return float(np.linalg.norm(self.short_axis[1] - self.short_axis[0]))

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        """Midpoint of the drawn extents, shape (3,), LPS mm."""
        if self.short_axis is None:
            return self.long_axis.mean(axis=0)
        return np.concatenate([self.long_axis, self.short_axis]).mean(axis=0)
