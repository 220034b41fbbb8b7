"""The lung's surface beside a lesion, carried on beneath it.

Where a lesion sits on the chest wall, both are equally dense and no grey value says where one ends.
Readers then carry on the pleura from both sides of the lesion. So does this: from the points around
the mark at which lung turns into wall for good, a robust quadric is fitted, and each voxel's depth
behind it is known. Where no such surface is near, nothing is claimed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined

Array = npt.NDArray[np.float32]

_WALL_HU = -400.0
"""Half of the way from lung to muscle."""

_SHELL = (1.15, 1.6)
"""Elliptic radii between which the sides of lung and wall are looked for."""

_OUTSIDE_MARK = 1.15
"""Surface points within this elliptic radius may be the lesion's own."""

_GRID, _STEPS = 25, 56
_THICK_MM = 5.0
"""What is dense for less than this is a vessel or a rib's edge, not the wall."""

_INLIER_MM = 1.5
_LEAST_POINTS, _LEAST_PART, _LEAST_SECTORS = 30, 0.55, 5
_RIDGE = (0.0, 0.0, 0.0, 0.02, 0.02, 0.02)


class Pleura(NamedTuple):
    """A quadric ``h = c . (1, u, v, uu, uv, vv)`` over a plane, u and v in units of `reach_mm`.

    Compiled code takes it as it is.

    Attributes
    ----------
    frame : ndarray, shape (3, 3)
        Unit vectors u, v and outward, along the array axes; the origin is the mark's centre.
    coefficients : ndarray, shape (6,)
        In mm.
    reach_mm : float
        Half width of the surface that was looked at.
    """

    frame: npt.NDArray[np.float64]
    coefficients: npt.NDArray[np.float64]
    reach_mm: float

    def behind_mm(self, places: tuple[npt.NDArray[np.float64], ...]) -> npt.NDArray[np.float32]:
        """Depth in mm behind the surface, negative on the lung's side.

        Parameters
        ----------
        places : three ndarrays that broadcast
            Coordinates from the mark's centre along the array axes, in mm.
        """
        z, y, x = np.broadcast_arrays(*places)
        return _depths(z.ravel(), y.ravel(), x.ravel(), self).reshape(z.shape)


NOWHERE = Pleura(np.eye(3), np.array([1e9, 0, 0, 0, 0, 0]), 1.0)
"""A surface that everything lies in front of."""


@inlined
def depth_behind(z, y, x, pleura):
    """Depth in mm of one place behind a surface, to first order in the distance from it."""
    frame, c, reach = pleura
    u = (z * frame[0, 0] + y * frame[0, 1] + x * frame[0, 2]) / reach
    v = (z * frame[1, 0] + y * frame[1, 1] + x * frame[1, 2]) / reach
    h = z * frame[2, 0] + y * frame[2, 1] + x * frame[2, 2]
    surface = c[0] + c[1] * u + c[2] * v + c[3] * u * u + c[4] * u * v + c[5] * v * v
    slope_u = (c[1] + 2 * c[3] * u + c[4] * v) / reach
    slope_v = (c[2] + 2 * c[5] * v + c[4] * u) / reach
    return (h - surface) / np.sqrt(1 + slope_u * slope_u + slope_v * slope_v)


@compiled
def _depths(z, y, x, pleura):
    depths = np.empty(len(z), np.float32)
    for n in range(len(z)):
        depths[n] = depth_behind(z[n], y[n], x[n], pleura)
    return depths


def find_pleura(
    hu: Array,
    spacing: tuple[float, float, float],
    radius: Array,
    centre: npt.NDArray[np.float64],
    directions: npt.NDArray[np.float64],
) -> Pleura | None:
    """Fit the lung's surface around a mark.

    Parameters
    ----------
    hu : ndarray of float32, axes (slice, row, column)
        Smoothed HU.
    spacing : tuple of float
        Voxel size in mm.
    radius : ndarray of float32, same shape
        Elliptic radius, 1 on the mark's ellipsoid.
    centre : ndarray, shape (3,)
        The mark's centre in indices of this array.
    directions : ndarray, shape (3, 3)
        Those of the ellipsoid; they orient the surface's grid.

    Returns
    -------
    Pleura or None
        None where lung and wall do not meet in one surface on most sides of the mark.
    """
    steps = np.asarray(spacing, dtype=np.float64)
    outward, part, extent = _outward(hu, radius, centre, steps)
    norm = float(np.linalg.norm(outward))
    if not (0.05 < part < 0.9) or norm < 0.15 * extent:
        return None
    outward = outward / norm
    # The grid's own axes follow the mark, so that flips of the array change nothing.
    rest = directions - np.outer(directions @ outward, outward)
    u = rest[int(np.argmax(np.linalg.norm(rest[:2], axis=1)))]
    u = u / np.linalg.norm(u)
    frame = np.stack([u, np.cross(outward, u), outward])
    reach = float(1.5 * extent)
    points = _surface_points(hu, radius, centre, steps, frame, reach)
    points = points[np.isfinite(points[:, 2])]
    if len(points) < _LEAST_POINTS:
        return None
    coefficients, inlier = _robust_quadric(points)
    sectors = np.unique(np.arctan2(points[inlier, 1], points[inlier, 0]) // (np.pi / 4))
    if inlier.mean() < _LEAST_PART or len(sectors) < _LEAST_SECTORS:
        return None
    return Pleura(frame, coefficients, reach)


def _robust_quadric(
    points: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Quadric through most of the points (u, v, h in mm), by reweighting, and which those are."""
    u, v, h = points.T
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
    ridge = np.diag(_RIDGE) * len(points)
    weight = np.ones(len(points))
    for round_ in range(12):
        weighted = terms * weight[:, None]
        c = np.linalg.solve(terms.T @ weighted + ridge + 1e-9 * np.eye(6), weighted.T @ h)
        residual = np.abs(h - terms @ c)
        scale = max(1.5 * float(np.median(residual)), _INLIER_MM)
        if round_ < 5:
            weight = 1 / np.maximum(residual, 0.3)
        else:
            weight = np.maximum(1 - (residual / (2 * scale)) ** 2, 0) ** 2 + 1e-6
    return c, residual < _INLIER_MM


@compiled
def _outward(hu, radius, centre, spacing):
    """From the middle of lung to the middle of dense tissue in the shell; part dense; extent."""
    dense, lung = np.zeros(3), np.zeros(3)
    dense_count, lung_count, far = 0, 0, 0.0
    for i in range(hu.shape[0]):
        z = (i - centre[0]) * spacing[0]
        for j in range(hu.shape[1]):
            y = (j - centre[1]) * spacing[1]
            for k in range(hu.shape[2]):
                r = radius[i, j, k]
                if r < _SHELL[0] or r > _SHELL[1]:
                    continue
                x = (k - centre[2]) * spacing[2]
                far = max(far, (z * z + y * y + x * x) / (r * r))
                if hu[i, j, k] > _WALL_HU:
                    dense[0] += z
                    dense[1] += y
                    dense[2] += x
                    dense_count += 1
                else:
                    lung[0] += z
                    lung[1] += y
                    lung[2] += x
                    lung_count += 1
    if dense_count == 0 or lung_count == 0:
        return np.zeros(3), 0.0 if dense_count == 0 else 1.0, 1.0
    part = dense_count / (dense_count + lung_count)
    return dense / dense_count - lung / lung_count, part, np.sqrt(far)


@compiled
def _surface_points(hu, radius, centre, spacing, frame, reach):
    """First height at which each column of a grid turns dense for good; NaN where none does."""
    points = np.empty((_GRID * _GRID, 3))
    half = _GRID // 2
    step = 2 * reach / (_STEPS - 1)
    thick = max(int(np.ceil(_THICK_MM / step)), 1)
    inside = np.empty(_STEPS, np.uint8)
    values = np.empty(_STEPS)
    radii = np.empty(_STEPS)
    place = np.empty(3)
    for a in range(_GRID):
        for b in range(_GRID):
            u, v = (a - half) / half, (b - half) / half
            count = 0
            for s in range(_STEPS):
                h = -reach + s * step
                ok = True
                for axis in range(3):
                    offset = reach * (u * frame[0, axis] + v * frame[1, axis])
                    p = centre[axis] + (offset + h * frame[2, axis]) / spacing[axis]
                    if p < -0.5 or p > hu.shape[axis] - 0.5:
                        ok = False
                    place[axis] = min(max(np.floor(p + 0.5), 0), hu.shape[axis] - 1)
                inside[s] = ok
                if ok:
                    i, j, k = int(place[0]), int(place[1]), int(place[2])
                    values[s] = hu[i, j, k]
                    radii[s] = radius[i, j, k]
                    count += 1
            row = a * _GRID + b
            points[row, 0], points[row, 1], points[row, 2] = u, v, np.nan
            for s in range(1, _STEPS):
                if not (inside[s] and inside[s - 1]):
                    continue
                if not (values[s] > _WALL_HU and values[s - 1] <= _WALL_HU):
                    continue
                stays = True
                for t in range(s, min(s + thick, _STEPS)):
                    if inside[t] and values[t] <= _WALL_HU:
                        stays = False
                if not stays:
                    continue
                if radii[s] > _OUTSIDE_MARK:
                    part = (_WALL_HU - values[s - 1]) / (values[s] - values[s - 1])
                    points[row, 2] = -reach + (s - 1 + part) * step
                break
    return points
