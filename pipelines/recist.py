"""The RECIST prior: one or two axes in patient coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


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
        for name in ("long_axis", "short_axis"):
            value = getattr(self, name)
            if value is None:
                continue
            points = np.array(value, dtype=np.float64)
            if points.shape != (2, 3):
                raise ValueError(f"{name}: found shape {points.shape}, expected (2, 3)")
            if not np.isfinite(points).all():
                raise ValueError(f"{name}: found a coordinate that is not finite")
            if np.linalg.norm(points[1] - points[0]) == 0:
                raise ValueError(f"{name}: both end points are the same, expected a line")
            points.setflags(write=False)
            object.__setattr__(self, name, points)
        if self.long_axis is None:
            raise ValueError("long_axis: found none, expected two points")

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
