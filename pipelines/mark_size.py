"""How large the mark says that its lesion is, beside how large it was found."""

from __future__ import annotations

import numpy as np

from pipelines.grabcut import RecistEllipsoid

_UNLIKE_MARK = (0.35, 2.0)
"""Volumes beyond these multiples of the mark's ellipsoid are worth a warning."""


def suggested_mm3(
    ellipsoid: RecistEllipsoid,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    offset: tuple[int, int, int],
    ends: bool,
) -> float:
    """Volume of the mark's ellipsoid in mm3; where the CT ends within it, of what the CT holds.

    Parameters
    ----------
    ellipsoid : RecistEllipsoid
    shape, spacing, offset : tuple
        Of the crop that was looked at.
    ends : bool
        Whether the CT ends before the region does that the lesion may reach.
    """
    if not ends:
        return ellipsoid.volume_mm3
    inside = np.count_nonzero(ellipsoid.radius(shape, spacing, offset) <= 1)
    return max(inside, 1) * float(np.prod(spacing))


def unlike_mark(ratio: float) -> tuple[str, ...]:
    """A warning where the volume found is so many times that of the mark's ellipsoid."""
    if _UNLIKE_MARK[0] <= ratio <= _UNLIKE_MARK[1]:
        return ()
    size = "larger" if ratio > 1 else "smaller"
    return (f"the lesion is much {size} than the mark suggests: {ratio:.2f} times its ellipsoid",)
