"""Curves of equal alpha on the slices of a soft mask, placed between pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import contourpy
import numpy as np
import numpy.typing as npt

from dicomnode.results.lesion_result import LesionResult

LEVELS = (0.25, 0.5, 0.75)
"""Where a soft edge is drawn: its middle, and both ends of the band."""

LEAST_STEP = 0.001
"""Between levels, and from 0: names of levels have so many digits."""

LEVEL_COLOURS = {0.25: (86, 180, 233), 0.5: (240, 228, 66), 0.75: (213, 94, 0)}
"""Blue, yellow and vermilion, told apart by the colour-blind (Okabe and Ito 2008); RGB."""

_OTHER_COLOUR = (204, 121, 167)


@dataclass(frozen=True, eq=False)
class IsoCurve:
    """One closed curve on one slice.

    Attributes
    ----------
    points : ndarray, shape (n, 2), float64
        (column, row) in pixels, counted from the outer corner of the image's first pixel, whose
        centre is (0.5, 0.5) (PS3.3 C.10.5.1.2 and C.18.6.1.1). The first is not repeated at the
        end.
    encloses_lesion : bool
        False for the edge of a hole.
    """

    points: npt.NDArray[np.float64]
    encloses_lesion: bool

    @property
    def closed(self) -> npt.NDArray[np.float64]:
        """The points with the first repeated at the end, shape (n + 1, 2)."""
        return np.concatenate([self.points, self.points[:1]])

    @property
    def area(self) -> float:
        """Square pixels within the curve."""
        return abs(_signed_area(self.points))


def level_colour(level: float) -> tuple[int, int, int]:
    """RGB of the curves of a level."""
    return LEVEL_COLOURS.get(level, _OTHER_COLOUR)


def check_levels(levels: tuple[float, ...]) -> None:
    """Check that levels ascend in (0, 1], and can be told apart where they are named.

    Raises
    ------
    ValueError
        With the levels.
    """
    apart = all(high - low > 0.999 * LEAST_STEP for low, high in pairwise(levels))
    if not levels or not apart or not LEAST_STEP <= levels[0] <= levels[-1] <= 1:
        raise ValueError(
            f"found levels {levels}, expected ascending ones above 0 and at most 1, "
            f"at least {LEAST_STEP} apart"
        )


def iso_curves(result: LesionResult, level: float) -> dict[int, tuple[IsoCurve, ...]]:
    """All curves of one level, by marching squares (Lorensen and Cline 1987, in the plane).

    Alpha between pixel centres is linear. The centre of a pixel lies within the curves exactly if
    its alpha is at least `level`, and so whoever fills the curves gets the voxels back. Outside of
    the crop alpha is 0; no curve leaves the image.

    Parameters
    ----------
    result : LesionResult
    level : float
        Greater than 0, at most 1.

    Returns
    -------
    dict from int to tuple of IsoCurve
        By index in `result.slices`; only slices with a curve, the largest curve first.

    Raises
    ------
    ValueError
        If the level is not in (0, 1].
    """
    if not 0 < level <= 1:
        raise ValueError(f"found level {level}, expected more than 0 and at most 1")
    alpha, offset = result.mask.alpha.array, result.mask.offset
    found = {}
    for index in np.flatnonzero((alpha >= level).any(axis=(1, 2))).tolist():
        header = result.slices[offset[0] + index]
        curves = [
            _on_image(curve, offset, int(header.Rows), int(header.Columns))
            for curve in plane_curves(alpha[index], level)
        ]
        found[offset[0] + index] = tuple(sorted(curves, key=lambda curve: -curve.area))
    return found


def plane_curves(alpha: npt.NDArray, level: float) -> list[IsoCurve]:
    """Curves of one slice; `points` count from the outer corner of the array's first pixel.

    Parameters
    ----------
    alpha : ndarray, shape (rows, columns)
    level : float
        Greater than 0.
    """
    padded = np.pad(np.asarray(alpha, dtype=np.float64), 1)
    # A little lower, so that a pixel with exactly `level` lies within; less than float32 can tell.
    lines = contourpy.contour_generator(z=padded, line_type="Separate").lines(level - 1e-9)
    curves = []
    for line in lines:
        points = _without_repeats(line[:-1])
        if len(points) < 3:
            continue
        # contourpy keeps what is higher on the left hand, with the second axis upwards.
        curves.append(IsoCurve(points - 0.5, encloses_lesion=_signed_area(points) > 0))
    return curves


def _without_repeats(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points that differ from the one before; a value equal to the level gives the same twice."""
    return points[(points != np.roll(points, 1, axis=0)).any(axis=1)]


def _signed_area(points: npt.NDArray[np.float64]) -> float:
    """Positive where the points run from columns towards rows around what they enclose."""
    x, y = (points - points.mean(axis=0)).T
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def _on_image(curve: IsoCurve, offset: tuple[int, int, int], rows: int, columns: int) -> IsoCurve:
    moved = curve.points + np.array([offset[2], offset[1]])
    return IsoCurve(np.clip(moved, 0, (columns, rows)), curve.encloses_lesion)
