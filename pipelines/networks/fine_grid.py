"""The cubic voxels that 3D networks see, cut from a CT around a place, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from pipelines.errors import UnusableMarkError

Array = npt.NDArray[np.float32]
Triple = tuple[float, float, float]

_MOST_VOXELS = 80_000_000
"""A cube of 21 cm at 0.5 mm; it takes about a gigabyte."""


@dataclass(frozen=True)
class FineGrid:
    """A box of cubic voxels along the axes of a CT (slice, row, column).

    Attributes
    ----------
    origin : tuple of float
        Centre of the first voxel in mm: index of the CT times its spacing.
    shape : tuple of int
    spacing_mm : float
    """

    origin: Triple
    shape: tuple[int, int, int]
    spacing_mm: float

    @classmethod
    def around(
        cls,
        centre: Triple,
        box: tuple[slice, slice, slice],
        spacing: Triple,
        size: tuple[int, int, int],
        spacing_mm: float,
    ) -> FineGrid:
        """The grid with a place in its middle that covers a box of the CT, at least so large.

        Parameters
        ----------
        centre : tuple of float
            In mm.
        box : tuple of slice
            Of the CT's indices.
        spacing : tuple of float
            Of the CT, in mm.
        size : tuple of int
            Least number of voxels.
        spacing_mm : float

        Raises
        ------
        UnusableMarkError
            If the box needs too many voxels.
        """
        shape = []
        for c, held, s, least in zip(centre, box, spacing, size, strict=True):
            far = max(c - (held.start - 0.5) * s, (held.stop - 0.5) * s - c)
            # Centres of voxels reach the box's edges, so that `on_ct` has all of its voxels.
            shape.append(max(least, 2 * int(np.ceil(far / spacing_mm + 0.5 - 1e-6))))
        if np.prod(shape) > _MOST_VOXELS:
            raise UnusableMarkError(
                f"the mark needs {'x'.join(map(str, shape))} voxels of {spacing_mm:g} mm, expected "
                f"at most {_MOST_VOXELS} for a 3D network"
            )
        origin = tuple(
            float(c - (n - 1) / 2 * spacing_mm) for c, n in zip(centre, shape, strict=True)
        )
        return cls(origin, tuple(shape), spacing_mm)

    def region(self, shape: tuple[int, int, int], spacing: Triple) -> tuple[slice, slice, slice]:
        """The part of a CT that the grid's values are made of."""
        held = []
        for o, n, s, most in zip(self.origin, self.shape, spacing, shape, strict=True):
            first = int(np.floor(o / s))
            last = int(np.ceil((o + (n - 1) * self.spacing_mm) / s))
            first, last = min(max(first, 0), most - 1), max(min(last, most - 1), 0)
            held.append(slice(first, last + 1))
        return tuple(held)

    def sampled(self, hu: Array, offset: tuple[int, int, int], spacing: Triple) -> Array:
        """HU on the grid, linearly between the CT's voxels; beyond them its edge goes on.

        Parameters
        ----------
        hu : ndarray of float32
            `region` of the CT, or more.
        offset : tuple of int
            Index of its first voxel in the CT.
        spacing : tuple of float
            Of the CT, in mm.
        """
        image = sitk.GetImageFromArray(np.ascontiguousarray(hu, np.float32))
        image.SetSpacing([float(s) for s in spacing[::-1]])
        image.SetOrigin([float(o * s) for o, s in zip(offset[::-1], spacing[::-1], strict=True)])
        resample = sitk.ResampleImageFilter()
        resample.SetNumberOfThreads(1)
        resample.SetInterpolator(sitk.sitkLinear)
        resample.UseNearestNeighborExtrapolatorOn()
        resample.SetOutputOrigin(self.origin[::-1])
        resample.SetOutputSpacing([self.spacing_mm] * 3)
        resample.SetSize(self.shape[::-1])
        resample.SetOutputDirection(image.GetDirection())
        return sitk.GetArrayFromImage(resample.Execute(image))

    def on_ct(self, values: Array, box: tuple[slice, slice, slice], spacing: Triple) -> Array:
        """Values of the CT's voxels in a box, each the mean over the voxel.

        The grid's values are taken as linear between its voxels' centres, and as 0 beyond the
        grid; so their integral is kept however large or small the CT's voxels are. No filter of
        SimpleITK gives the mean over voxels of any other grid.
        """
        for axis, (o, n, held, s) in enumerate(
            zip(self.origin, self.shape, box, spacing, strict=True)
        ):
            edges = (np.arange(held.start, held.stop + 1) - 0.5) * s
            # In voxels of the grid from each of their centres.
            place = (edges[:, None] - o) / self.spacing_mm - np.arange(n)
            part = np.diff(_integral_of_tent(place), axis=0) * self.spacing_mm / s
            values = np.moveaxis(np.tensordot(part.astype(np.float32), values, (1, axis)), 0, axis)
        return np.clip(values, 0, 1)


def _integral_of_tent(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Integral from -1 on of the function that falls linearly from 1 at 0 to 0 at -1 and 1."""
    place = np.clip(place, -1, 1)
    return np.where(place < 0, (place + 1) ** 2 / 2, 1 - (1 - place) ** 2 / 2)
