"""What the points of one drawn graphic amount to: a line, a pair of axes or a closed curve.

SR and presentation states share most graphic types (PS3.3 C.18.6.1.2 and C.10.5.1.2), and what
they hold is decided here by geometry, in the coordinates of the object. Pixels count as square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]

PERPENDICULAR_TOLERANCE_DEGREES = 20.0
"""Two lines further from 90 degrees than this are no axes of one lesion, whoever drew them."""

END_REGION = 0.05
"""Part of a line's length that counts as its end; axes may miss each other by as much."""

ELLIPSE_TOLERANCE = 0.05
"""Distance of the centres of both axes of an ellipse, as part of the longer one."""

RECTANGLE_TOLERANCE_DEGREES = 1.0

MAX_POINTS = 100_000
"""Points of one graphic that are looked at."""

MAX_COORDINATE = 1e6
"""Pixels or mm from the origin beyond which nothing is drawn on an image."""


class NoShape(ValueError):
    """The points are no line, pair of axes or closed curve."""


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line: its end points, shape (2, 2) or (2, 3)."""

    points: Points


@dataclass(frozen=True, eq=False)
class AxisPair:
    """Two axes that one graphic holds, each of shape (2, 2) or (2, 3); the longer one first."""

    long: Points
    short: Points


@dataclass(frozen=True, eq=False)
class ClosedCurve:
    """Corners of a closed curve, shape (n, 2) or (n, 3), the first not repeated at the end."""

    points: Points


Shape = Line | AxisPair | ClosedCurve


def plausible(points: Points) -> Points:
    """The points themselves.

    Raises
    ------
    NoShape
        If there are too many, or one is further than `MAX_COORDINATE` from the origin.
    """
    if len(points) > MAX_POINTS:
        raise NoShape(f"found {len(points)} points, expected at most {MAX_POINTS}")
    if not (np.abs(points) <= MAX_COORDINATE).all():
        raise NoShape(f"coordinates beyond {MAX_COORDINATE:.0f}: no place on an image")
    return points


def line(points: Points) -> Line:
    """Two points as a line.

    Raises
    ------
    NoShape
        If there are not two, or both are the same.
    """
    if len(points) != 2:
        raise NoShape(f"expected a line of 2 points, found {len(points)} points")
    if (points[0] == points[1]).all():
        raise NoShape("both end points are the same, expected a line")
    return Line(points)


def polyline(points: Points, *, region: bool) -> Line | ClosedCurve:
    """Connected points: a line if there are two, else a closed curve.

    Parameters
    ----------
    points : ndarray, shape (n, 2) or (n, 3)
    region : bool
        Whether the object says that the curve bounds a region; some writers then leave out the
        point that closes it. Else the first point must stand at the end once more.

    Raises
    ------
    NoShape
        For an open curve, a rectangle, or fewer than three corners.
    """
    if len(points) == 2:
        return line(points)
    closed = len(points) > 3 and np.array_equal(points[0], points[-1])
    if not closed and not (region and len(points) > 2):
        raise NoShape(
            f"expected a line of 2 points or a closed curve, found {len(points)} points that do "
            "not close"
        )
    return closed_curve(points)


def closed_curve(points: Points) -> ClosedCurve:
    """Corners that are connected in a ring.

    Raises
    ------
    NoShape
        For fewer than three corners, and for a rectangle: a box holds the lesion, it does not
        outline it.
    """
    corners = ring(points)
    if is_rectangle(corners):
        raise NoShape("a box around something, expected its outline")
    return ClosedCurve(corners)


def ring(points: Points) -> Points:
    """Corners of a closed curve, each once in a row, the first not repeated at the end.

    Raises
    ------
    NoShape
        For fewer than three.
    """
    after = np.concatenate([points[1:], points[:1]])
    differs = points != after
    differs = differs[:, 0] | differs[:, 1] | differs[:, -1]  # any(axis=1) takes twice as long
    corners = points if differs.all() else points[differs]
    if len(corners) < 3:
        raise NoShape(f"expected 3 corners or more, found {len(corners)}")
    return corners


def is_rectangle(corners: Points) -> bool:
    """Whether four corners are all right angles."""
    if len(corners) != 4:
        return False
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.linalg.norm(sides, axis=1)
    if (lengths == 0).any():
        return False
    cosines = np.abs((sides * np.roll(sides, -1, axis=0)).sum(axis=1))
    cosines /= lengths * np.roll(lengths, -1)
    return bool((cosines < np.sin(np.radians(RECTANGLE_TOLERANCE_DEGREES))).all())


def is_inside(point: Points, polygon: Points) -> bool:
    """Whether a polygon, shape (n, 2), goes around a point an odd number of times."""
    after = np.concatenate([polygon[1:], polygon[:1]])
    spans = (polygon[:, 1] > point[1]) != (after[:, 1] > point[1])
    start, end = polygon[spans], after[spans]
    at = start[:, 0] + (point[1] - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end - start)[:, 0]
    return bool((point[0] < at).sum() % 2)


def ellipse(points: Points) -> AxisPair:
    """The axes of an ELLIPSE: end points of one, then of the other (PS3.3 C.18.6.1.2).

    Raises
    ------
    NoShape
        If there are not four points, or the two lines are no axes of an ellipse.
    """
    if len(points) != 4:
        raise NoShape(f"expected an ellipse of 4 points, found {len(points)}")
    first, second = line(points[:2]).points, line(points[2:]).points
    longest = max(length(first), length(second))
    apart = float(np.linalg.norm(first.mean(axis=0) - second.mean(axis=0)))
    if apart > ELLIPSE_TOLERANCE * longest or not nearly_perpendicular(first, second):
        raise NoShape("the four points are no axes of an ellipse")
    return _ordered(first, second)


def circle(points: Points) -> AxisPair:
    """Two perpendicular diameters of a CIRCLE: its centre, then a point on it, in a plane.

    Raises
    ------
    NoShape
        If there are not two different points of two coordinates.
    """
    if points.shape != (2, 2):
        raise NoShape(f"expected a circle of 2 points in an image, found {len(points)}")
    centre, rim = line(points).points
    radius = rim - centre
    across = np.array([-radius[1], radius[0]])
    return AxisPair(
        np.array([centre - radius, centre + radius]), np.array([centre - across, centre + across])
    )


def four_points(points: Points) -> AxisPair:
    """Four loose points that hold two axes: the end points of one, then of the other.

    Raises
    ------
    NoShape
        If the two lines do not cross as axes do.
    """
    if len(points) != 4:
        raise NoShape(f"expected 2 axes of 2 points, found {len(points)} points")
    first, second = line(points[:2]).points, line(points[2:]).points
    if not are_axes(first, second):
        raise NoShape("the four points are no two lines that cross at a right angle")
    return _ordered(first, second)


def length(points: Points) -> float:
    """Length of a line in its own coordinates."""
    return float(np.linalg.norm(points[1] - points[0]))


def nearly_perpendicular(first: Points, second: Points) -> bool:
    """Whether two lines are within `PERPENDICULAR_TOLERANCE_DEGREES` of a right angle."""
    return bool(_each_perpendicular(first[None], second[None])[0])


def _each_perpendicular(first: Points, second: Points) -> npt.NDArray[np.bool_]:
    """As `nearly_perpendicular` for n pairs of lines, each of shape (n, 2, d)."""
    along_first, along_second = first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]
    lengths = np.linalg.norm(along_first, axis=1) * np.linalg.norm(along_second, axis=1)
    sine = np.sin(np.radians(PERPENDICULAR_TOLERANCE_DEGREES))
    return np.abs((along_first * along_second).sum(axis=1)) <= sine * lengths


def meeting(first: Points, second: Points) -> tuple[float, float] | None:
    """Where two lines come nearest to each other, as parts of their lengths from their starts.

    Returns
    -------
    tuple of 2 float, or None
        Each is 0 at the first end point of its line and 1 at the second, and may lie outside.
        None where the lines are parallel, or pass each other in space further apart than
        `END_REGION` of the shorter one.
    """
    (met,) = _meetings(first[None], second[None])
    return None if np.isnan(met).any() else (float(met[0]), float(met[1]))


def _meetings(first: Points, second: Points) -> Points:
    """As `meeting` for n pairs of lines, each of shape (n, 2, d): shape (n, 2), NaN for None."""
    along_first, along_second = first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]
    between = first[:, 0] - second[:, 0]
    a, c = (along_first**2).sum(axis=1), (along_second**2).sum(axis=1)
    b = (along_first * along_second).sum(axis=1)
    d, e = (along_first * between).sum(axis=1), (along_second * between).sum(axis=1)
    determinant = a * c - b * b
    with np.errstate(divide="ignore", invalid="ignore"):
        met = np.stack([b * e - c * d, a * e - b * d], axis=1) / determinant[:, None]
        gap = between + met[:, :1] * along_first - met[:, 1:] * along_second
        gap = np.linalg.norm(gap, axis=1)
    near = (determinant > 1e-6 * a * c) & ~(gap > END_REGION * np.sqrt(np.minimum(a, c)))
    met[~near] = np.nan
    return met


def are_axes(first: Points, second: Points, *, both_inside: bool = False) -> bool:
    """Whether two lines can be the axes of one lesion: they cross at about a right angle.

    Parameters
    ----------
    first, second : ndarray, shape (2, 2) or (2, 3), both alike
        End points.
    both_inside : bool
        Whether they must cross inside both lines. Else they may also form a T: one of them may
        end on the other, or `END_REGION` of its length before it. Two lines that meet at their
        ends are a corner and never axes.
    """
    if first.shape != second.shape:
        return False
    return bool(each_are_axes(first[None], second[None], both_inside=both_inside)[0])


def each_are_axes(
    first: Points, second: Points, *, both_inside: bool = False
) -> npt.NDArray[np.bool_]:
    """As `are_axes` for n pairs of lines, each of shape (n, 2, 2) or (n, 2, 3): shape (n,)."""
    perpendicular = _each_perpendicular(first, second)
    met = _meetings(first, second)
    inside = (met > END_REGION) & (met < 1 - END_REGION)
    if both_inside:
        return perpendicular & inside.all(axis=1)
    touching = (met >= -END_REGION) & (met <= 1 + END_REGION)
    return perpendicular & touching.all(axis=1) & inside.any(axis=1)


def _ordered(first: Points, second: Points) -> AxisPair:
    if length(first) >= length(second):
        return AxisPair(first, second)
    return AxisPair(second, first)
