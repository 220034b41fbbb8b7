"""The shape that a RECIST mark suggests, before any voxel is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.recist import RecistAxes

Points = npt.NDArray[np.float64]

TYPICAL_RATIO = 0.78
"""Short to long axis where only one was drawn: the median of LIDC readers' marks."""

_FLATTEST = 0.3
"""No side of the ellipsoid is shorter than this part of the half axis it belongs to."""


@dataclass(frozen=True, eq=False)
class RecistEllipsoid:
    """Four quarter ellipses around the point where the axes cross, made solid.

    Coordinates are in mm along the array axes of the volume: index times spacing. A reader's axes
    seldom halve each other; an ellipse with four different half axes keeps all four end points on
    its outline. Across the plane of the mark the half axis is the mean of the two in it.

    Attributes
    ----------
    centre : ndarray, shape (3,)
        Where the axes cross.
    directions : ndarray, shape (3, 3)
        Unit vectors: along the long axis, across it in the plane of the mark, and the normal.
    positive, negative : ndarray, shape (3,)
        Half axes in mm, on the positive and on the negative side of each direction.
    """

    centre: Points
    directions: Points
    positive: Points
    negative: Points

    @classmethod
    def from_axes(
        cls, axes: RecistAxes, geometry: hd.Volume | hd.VolumeGeometry
    ) -> RecistEllipsoid:
        """Build it for the grid of a volume; distances are kept, since its axes are orthogonal."""
        spacing = np.asarray(geometry.spacing)

        def local(points: Points) -> Points:
            return geometry.map_reference_to_indices(points) * spacing

        long = local(axes.long_axis)
        short = None if axes.short_axis is None else local(axes.short_axis)
        if short is not None and np.linalg.norm(short[1] - short[0]) > np.linalg.norm(
            long[1] - long[0]
        ):
            long, short = short, long
        length = float(np.linalg.norm(long[1] - long[0]))
        along = (long[1] - long[0]) / length
        if short is not None:
            across = short[1] - short[0]
            across = across - (across @ along) * along
            # Less than 30 degrees from the long axis says nothing about the width.
            if np.linalg.norm(across) < 0.5 * np.linalg.norm(short[1] - short[0]):
                short = None
        if short is None:
            normal = np.eye(3)[0] if abs(along[0]) < 0.9 else np.eye(3)[1]
            across = np.cross(normal, along)
            across /= np.linalg.norm(across)
            half = TYPICAL_RATIO * length / 2
            centre, sides_long = long.mean(axis=0), (length / 2, length / 2)
            sides_short = (half, half)
        else:
            across /= np.linalg.norm(across)
            half = float(np.ptp(short @ across)) / 2
            t = float(np.clip((short.mean(axis=0) - long[0]) @ along, 0.2 * length, 0.8 * length))
            centre = long[0] + t * along
            sides_long = (length - t, t)
            reach = (short - centre) @ across
            sides_short = tuple(
                float(max(r, _FLATTEST * half)) for r in (reach.max(), -reach.min())
            )
        depth = (length / 2 + half) / 2
        return cls(
            centre=centre,
            directions=np.stack([along, across, np.cross(along, across)]),
            positive=np.array([sides_long[0], sides_short[0], depth]),
            negative=np.array([sides_long[1], sides_short[1], depth]),
        )

    @property
    def volume_mm3(self) -> float:
        """Its volume."""
        return float(4 / 3 * np.pi * np.prod((self.positive + self.negative) / 2))

    @property
    def size_mm(self) -> float:
        """Radius of the ball of the same volume."""
        return float((self.volume_mm3 * 3 / (4 * np.pi)) ** (1 / 3))

    @property
    def long_mm(self) -> float:
        """Its extent along the long axis."""
        return float(self.positive[0] + self.negative[0])

    def half_extent(self) -> Points:
        """Half sizes in mm, along the array axes, of a box that holds it.

        The box is meant to stand around the middle of the axes, not around where they cross.
        """
        sides = (self.positive + self.negative) / 2
        return np.linalg.norm(sides[:, None] * self.directions, axis=0)

    def radius(
        self,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        offset: tuple[float, float, float] = (0, 0, 0),
    ) -> npt.NDArray[np.float32]:
        """Elliptic radius of each voxel of a grid: 0 at the centre, 1 on the surface.

        Parameters
        ----------
        shape : tuple of int
            Grid, axes (slice, row, column).
        spacing : tuple of float
            Voxel size in mm.
        offset : tuple of float
            Index of the grid's first voxel in the volume that the ellipsoid was built for.
        """
        return _radii(
            tuple(int(n) for n in shape),
            np.asarray(spacing, dtype=np.float64),
            np.asarray(offset, dtype=np.float64),
            self.centre,
            self.directions,
            self.positive,
            self.negative,
        )


@compiled
def _radii(shape, spacing, offset, centre, directions, positive, negative):
    out = np.empty(shape, np.float32)
    total = np.empty(shape[2])
    for i in range(shape[0]):
        z = (i + offset[0]) * spacing[0] - centre[0]
        for j in range(shape[1]):
            y = (j + offset[1]) * spacing[1] - centre[1]
            x = offset[2] * spacing[2] - centre[2]
            total[:] = 0
            for axis in range(3):
                ahead, behind = 1 / positive[axis], 1 / negative[axis]
                step = spacing[2] * directions[axis, 2]
                first = z * directions[axis, 0] + y * directions[axis, 1] + x * directions[axis, 2]
                for k in range(shape[2]):
                    d = first + k * step
                    t = d * (ahead if d > 0 else behind)
                    total[k] += t * t
            for k in range(shape[2]):
                out[i, j, k] = np.sqrt(total[k])
    return out
