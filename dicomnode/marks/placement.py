"""From the coordinates of a mark to patient coordinates, on the plane of a CT slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomnode.marks.recist_mark import RecistMark
from dicomnode.store.received import InstanceHeader
from pipelines.recist import RecistAxes

EDGE_TOLERANCE = 0.01
"""Pixels by which a point may lie outside the image: SCOORD points are 32-bit floats."""

DEFAULT_OFF_PLANE_MM = 0.5
"""Distance that a mark in space may be off a plane whose slice spacing is not known."""


class Unplaceable(ValueError):
    """The mark cannot be put on this image."""


class NoGeometry(Unplaceable):
    """The image has no position, orientation, spacing or size, or not a usable one."""


class OutsideImage(Unplaceable):
    """A point of the mark lies outside the image."""


class OffPlane(Unplaceable):
    """A mark in space lies further off the plane than half a slice."""


class OtherFrameOfReference(Unplaceable):
    """A mark in space and the image are in different frames of reference, or unknown ones."""


@dataclass(frozen=True)
class ImagePlane:
    """Where the pixels of one image lie in patient coordinates (PS3.3 C.7.6.2.1.1).

    Attributes
    ----------
    position : tuple of 3 float
        Centre of the first pixel, LPS mm.
    orientation : tuple of 6 float
        Direction cosines of a row (towards greater columns), then of a column.
    pixel_spacing : tuple of 2 float
        Distance between rows, then between columns, in mm.
    rows, columns : int
        Size in pixels.
    frame_of_reference_uid : str or None
        The space that `position` is in.
    slice_spacing : float or None
        Distance to the neighbouring slices in mm; None where it is not known.

    Raises
    ------
    ValueError
        If a number is not finite, the directions are not perpendicular unit vectors, or a spacing
        or size is not positive.
    """

    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    pixel_spacing: tuple[float, float]
    rows: int
    columns: int
    frame_of_reference_uid: str | None = None
    slice_spacing: float | None = None

    def __post_init__(self) -> None:
        for name, length in (("position", 3), ("orientation", 6), ("pixel_spacing", 2)):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != length or not np.isfinite(values).all():
                raise ValueError(f"{name}: expected {length} finite numbers, found {len(values)}")
            object.__setattr__(self, name, values)
        directions = np.array(self.orientation).reshape(2, 3)
        if not np.allclose(directions @ directions.T, np.eye(2), atol=1e-3):
            raise ValueError("orientation: expected two perpendicular unit vectors")
        if min(self.pixel_spacing) <= 0 or self.rows < 1 or self.columns < 1:
            raise ValueError(
                f"expected positive spacing and size, found {self.pixel_spacing} mm "
                f"and {self.rows} x {self.columns}"
            )
        if self.slice_spacing is not None and not self.slice_spacing > 0:
            raise ValueError(f"slice_spacing: expected more than 0 mm, found {self.slice_spacing}")

    @classmethod
    def from_header(cls, header: InstanceHeader, slice_spacing: float | None = None) -> ImagePlane:
        """Plane of a received instance.

        Raises
        ------
        NoGeometry
            If something is missing or unusable.
        """
        parts = {
            "Image Position": header.image_position,
            "Image Orientation": header.image_orientation,
            "Pixel Spacing": header.pixel_spacing,
            "Rows": header.rows,
            "Columns": header.columns,
        }
        missing = [name for name, value in parts.items() if value is None]
        if missing:
            raise NoGeometry(f"the image has no {', '.join(missing)}")
        try:
            return cls(*parts.values(), header.frame_of_reference_uid, slice_spacing)
        except (TypeError, ValueError) as problem:
            raise NoGeometry(f"the image's geometry is not usable: {problem}") from problem

    @classmethod
    def from_dataset(cls, dataset: Dataset, slice_spacing: float | None = None) -> ImagePlane:
        """Plane of a single-frame image.

        Raises
        ------
        NoGeometry
            If something is missing or unusable.
        """
        keywords = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        parts = [dataset.get(keyword) for keyword in (*keywords, "Rows", "Columns")]
        if any(part is None for part in parts):
            raise NoGeometry("the image lacks position, orientation, pixel spacing or size")
        try:
            return cls(*parts, dataset.get("FrameOfReferenceUID"), slice_spacing)
        except (TypeError, ValueError) as problem:
            raise NoGeometry(f"the image's geometry is not usable: {problem}") from problem

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """Unit vector across the plane, shape (3,): row direction times column direction."""
        row, column = np.array(self.orientation).reshape(2, 3)
        normal = np.cross(row, column)
        return normal / np.linalg.norm(normal)

    def to_patient(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """SCOORD pixel coordinates to LPS.

        Parameters
        ----------
        points : array_like, shape (n, 2)
            (column, row), counted from the outer corner of the first pixel, whose centre is
            (0.5, 0.5) (PS3.3 C.18.6.1.1).

        Returns
        -------
        ndarray, shape (n, 3), float64
            LPS mm.
        """
        row_spacing, column_spacing = self.pixel_spacing
        row, column = np.array(self.orientation).reshape(2, 3)
        steps = np.stack([row * column_spacing, column * row_spacing])
        return np.array(self.position) + (np.asarray(points, dtype=np.float64) - 0.5) @ steps

    def to_pixel(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """LPS to SCOORD pixel coordinates of the nearest point of the plane.

        Parameters
        ----------
        points : array_like, shape (n, 3)
            LPS mm.

        Returns
        -------
        ndarray, shape (n, 2), float64
            (column, row) from the outer corner of the first pixel.
        """
        row_spacing, column_spacing = self.pixel_spacing
        directions = np.array(self.orientation).reshape(2, 3)
        offsets = np.asarray(points, dtype=np.float64) - np.array(self.position)
        return offsets @ directions.T / np.array([column_spacing, row_spacing]) + 0.5

    def distance_mm(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Distance of each LPS point from the plane, shape (n,), never negative."""
        return np.abs(
            (np.asarray(points, dtype=np.float64) - np.array(self.position)) @ self.normal
        )


def off_plane_mm(mark: RecistMark, image: ImagePlane) -> float:
    """Greatest distance in mm of a point of a mark in space from the image; 0 for one in pixels.

    The slice that a SCOORD3D mark was drawn on is the one where this is least.
    """
    return float(image.distance_mm(_points(mark)).max()) if mark.in_space else 0.0


def place(mark: RecistMark, image: ImagePlane) -> RecistAxes:
    """Put a mark into patient coordinates.

    Parameters
    ----------
    mark : RecistMark
        In pixels of the image it names, or in space.
    image : ImagePlane
        That image, or for a mark in space the slice that it lies on.

    Returns
    -------
    RecistAxes
        LPS mm. Points in space stay as they were drawn.

    Raises
    ------
    OtherFrameOfReference
        If a mark in space is in another frame of reference than the image.
    OffPlane
        If a mark in space is further off the plane than half the slice spacing.
    OutsideImage
        If a point lies outside the image.
    """
    if mark.in_space:
        if image.frame_of_reference_uid != mark.frame_of_reference_uid:
            raise OtherFrameOfReference(
                f"the mark is in frame of reference {mark.frame_of_reference_uid}, "
                f"the image in {image.frame_of_reference_uid}"
            )
        spacing = image.slice_spacing
        tolerance = DEFAULT_OFF_PLANE_MM if spacing is None else spacing / 2
        distance = off_plane_mm(mark, image)
        if distance > tolerance * (1 + 1e-6):
            raise OffPlane(
                f"the mark is {distance:.2f} mm off the plane, expected at most {tolerance:.2f} mm"
            )
        check_inside(image.to_pixel(_points(mark)), image)
        return RecistAxes(mark.long_axis, mark.short_axis)
    check_inside(_points(mark), image)
    short = None if mark.short_axis is None else image.to_patient(mark.short_axis)
    return RecistAxes(image.to_patient(mark.long_axis), short)


def _points(mark: RecistMark) -> npt.NDArray[np.float64]:
    axes = [axis for axis in (mark.long_axis, mark.short_axis) if axis is not None]
    return np.concatenate(axes)


def check_inside(points: npt.NDArray[np.float64], image: ImagePlane) -> None:
    """Refuse points, shape (n, 2), of which one lies outside of an image.

    Raises
    ------
    OutsideImage
        Says which, and how large the image is.
    """
    size = np.array([image.columns, image.rows])
    outside = ((points < -EDGE_TOLERANCE) | (points > size + EDGE_TOLERANCE)).any(axis=1)
    if outside.any():
        column, row = points[outside][0]
        raise OutsideImage(
            f"a point at column {column:.1f}, row {row:.1f} is outside the image of "
            f"{image.columns} columns and {image.rows} rows"
        )
