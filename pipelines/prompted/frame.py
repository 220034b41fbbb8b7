"""The mark's own frame: turned so that the long axis lies across, scaled so that it fills a part.

In the frame a lesion always has the same place, direction and size, so that a network needs to
learn neither. Planes are slices of the CT: nothing is interpolated along z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SIDE = 48
"""Pixels of the frame in each direction."""

LONG_PIXELS = 22.0
"""Of them, how many the long axis takes: the frame shows 2.2 long axes."""

USUAL_RATIO = 0.75
"""Short by long axis where no short axis is drawn."""

_PLANES_A_LENGTH = 10
"""About how many planes a length of the long axis takes where slices are thinner than that."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MarkFrame:
    """A mark on one slice, and the grid of pixels that is drawn around it.

    Attributes
    ----------
    key : int
        Index of the slice on which the mark was drawn.
    spacing : tuple of float
        Voxel size in mm (slice, row, column).
    centre : ndarray, shape (2,)
        Middle of the frame in mm (row, column) from the centre of the first pixel.
    along, across : ndarray, shape (2,)
        Unit vectors (row, column) of the long axis and perpendicular to it.
    long_mm : float
        Length of the long axis.
    ends : ndarray, shape (2, 2) or (4, 2)
        End points of the long and, where drawn, of the short axis, in mm from the centre:
        (along, across).
    """

    key: int
    spacing: tuple[float, float, float]
    centre: Points
    along: Points
    across: Points
    long_mm: float
    ends: Points

    @classmethod
    def of(
        cls,
        key: int,
        long_axis: Points,
        short_axis: Points | None,
        spacing: tuple[float, float, float],
    ) -> MarkFrame:
        """The frame of a mark.

        Parameters
        ----------
        key : int
            Index of its slice.
        long_axis, short_axis : ndarray, shape (2, 2)
            End points (row, column) in index coordinates, whole numbers are pixel centres.
        spacing : tuple of float
            Voxel size in mm (slice, row, column).

        Raises
        ------
        ValueError
            If the long axis has no length.
        """
        pixel = np.asarray(spacing[1:])
        line = np.asarray(long_axis, np.float64) * pixel
        length = float(np.linalg.norm(line[1] - line[0]))
        if not length > 0:
            raise ValueError("found a long axis without a length")
        along = (line[1] - line[0]) / length
        across = np.array([-along[1], along[0]])
        centre = line.mean(axis=0)
        points = line
        if short_axis is not None:
            short = np.asarray(short_axis, np.float64) * pixel
            centre = centre + across * ((short - centre) @ across).mean()
            points = np.concatenate([line, short])
        ends = np.stack([(points - centre) @ along, (points - centre) @ across], axis=1)
        return cls(key, tuple(spacing), centre, along, across, length, ends)

    @property
    def pixel_mm(self) -> float:
        """Side of the frame's pixels."""
        return self.long_mm / LONG_PIXELS

    @property
    def short_mm(self) -> float | None:
        """Length of the short axis, None where none is drawn."""
        if len(self.ends) == 2:
            return None
        return float(np.linalg.norm(self.ends[3] - self.ends[2]))

    @property
    def stride(self) -> int:
        """Each how-manieth slice is a plane: thin slices of a large lesion are much alike."""
        return max(1, int(self.long_mm / (_PLANES_A_LENGTH * self.spacing[0]) + 0.5))

    @property
    def step_mm(self) -> float:
        """Distance of planes."""
        return self.stride * self.spacing[0]

    def planes(self, reach: float) -> npt.NDArray[np.int64]:
        """Slices that are planes, as far as `reach` long axes from the key slice, which is one.

        Some may lie outside of the CT.
        """
        most = int(reach * self.long_mm / self.step_mm)
        return self.key + self.stride * np.arange(-most, most + 1)

    def places(self, count: int = 1) -> Points:
        """Rows and columns of the CT at which the frame's pixels lie, in index coordinates.

        Parameters
        ----------
        count : int
            So many samples for each pixel in each direction.

        Returns
        -------
        ndarray, shape (2, SIDE * count, SIDE * count)
        """
        line = ((np.arange(SIDE * count) + 0.5) / count - SIDE / 2) * self.pixel_mm
        mm = (
            self.centre[:, None, None]
            + self.across[:, None, None] * line[None, :, None]
            + self.along[:, None, None] * line[None, None, :]
        )
        return mm / np.asarray(self.spacing[1:])[:, None, None]

    def sampled(self, images: npt.NDArray, fill: float) -> npt.NDArray[np.float32]:
        """Slices in the frame, each of its pixels the mean over its area.

        Parameters
        ----------
        images : ndarray, shape (planes, rows, columns)
        fill : float
            Beyond their edges; NaN continues the edge.

        Returns
        -------
        ndarray, shape (planes, SIDE, SIDE)
        """
        count = int(np.clip(np.ceil(self.pixel_mm / min(self.spacing[1:]) - 0.1), 1, 4))
        places = self.places(count)
        edges = {"mode": "nearest"} if np.isnan(fill) else {"mode": "constant", "cval": fill}
        found = np.stack(
            [
                ndimage.map_coordinates(np.asarray(image, np.float32), places, order=1, **edges)
                for image in images
            ]
        )
        return found.reshape(len(images), SIDE, count, SIDE, count).mean(axis=(2, 4))

    def to_frame(self, rows: npt.NDArray, columns: npt.NDArray) -> Points:
        """Where points of the CT lie in the frame: (row, column) in its pixels.

        Parameters
        ----------
        rows, columns : ndarray
            Index coordinates that broadcast.

        Returns
        -------
        ndarray, shape (2, ...)
        """
        row = rows * self.spacing[1] - self.centre[0]
        column = columns * self.spacing[2] - self.centre[1]
        return np.stack(
            [
                (row * axis[0] + column * axis[1]) / self.pixel_mm + SIDE / 2 - 0.5
                for axis in (self.across, self.along)
            ]
        )
