"""From an outline to its mask on a series: each contour on the image that it was drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dicomnode.marks.fill import Combination, TooMuchToFill, fill_contours
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.placement import (
    DEFAULT_OFF_PLANE_MM,
    ImagePlane,
    OffPlane,
    OtherFrameOfReference,
    Unplaceable,
    check_inside,
)
from dicomnode.marks.slice_name import slice_name
from pipelines.errors import EmptyMaskError
from pipelines.recist import RecistAxes

MAX_AREA = 500_000_000
"""Pixels of the boxes around all curves of one outline; a large lesion needs a few million."""


class OtherImage(Unplaceable):
    """A contour was drawn on an image that is not among those given."""


@dataclass(frozen=True)
class ImageSlice:
    """One image of a series, or one frame of a multi-frame image.

    Attributes
    ----------
    sop_instance_uid : str
        The image.
    plane : ImagePlane
        Where it lies.
    frame : int or None
        Frame number from 1; None for a single-frame image.
    """

    sop_instance_uid: str
    plane: ImagePlane
    frame: int | None = None

    @property
    def name(self) -> str:
        """As `slice_name`."""
        return slice_name(self.sop_instance_uid, self.frame)


def rasterise(
    outline: Outline,
    images: Sequence[ImageSlice],
    combination: Combination = Combination.HOLES,
) -> npt.NDArray[np.bool_]:
    """Mask of an outline on a series.

    Contours in pixels go to the image that they name, contours in space to the nearest image.
    Slices between two contours stay empty: nothing is interpolated.

    Parameters
    ----------
    outline : Outline
        As a reader drew it.
    images : sequence of ImageSlice
        The series in the order of the mask's slices, all of one size.
    combination : Combination
        What nested curves on one image mean.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)

    Raises
    ------
    OtherImage
        If a contour names an image or a frame that is not among `images`.
    OtherFrameOfReference
        If a contour in space is in another frame of reference than the images.
    OffPlane
        If a contour in space is further from every image than half the slice spacing.
    OutsideImage
        If a point lies outside its image.
    TooMuchToFill
        If the contours cover more than `MAX_AREA` pixels, or one of them crosses too many rows.
    ValueError
        If there is no image, or images differ in size.
    """
    sizes = {(image.plane.rows, image.plane.columns) for image in images}
    if len(sizes) != 1:
        raise ValueError(f"found images of {len(sizes)} sizes, expected a series of one")
    (shape,) = sizes
    drawn: dict[int, list[Contour]] = {}
    area = MAX_AREA
    for contour in outline.contours:
        if contour.in_space:
            index, contour = _nearest(contour, outline, images)
        else:
            index = _named(contour, images)
        check_inside(contour.points, images[index].plane)
        area -= int(np.prod(np.ptp(contour.points, axis=0) + 2))
        if area < 0:
            raise TooMuchToFill(f"the contours cover more than {MAX_AREA} pixels")
        drawn.setdefault(index, []).append(contour)
    mask = np.zeros((len(images), *shape), dtype=bool)
    for index, contours in drawn.items():
        mask[index] = fill_contours(contours, shape, combination)
    return mask


def recist_from_outline(
    outline: Outline,
    images: Sequence[ImageSlice],
    combination: Combination = Combination.HOLES,
) -> RecistAxes:
    """Longest diameter of an outline and the longest chord across it, where it is largest.

    Parameters
    ----------
    outline, images, combination
        As for `rasterise`.

    Returns
    -------
    RecistAxes
        LPS mm, in the plane of the image on which the outline encloses most pixels.

    Raises
    ------
    EmptyMaskError
        If the outline encloses no pixel.
    Unplaceable
        As for `rasterise`.
    """
    # Here, for it loads SciPy, which a node that starts need not wait for.
    from pipelines.longest_axes import longest_axes

    mask = rasterise(outline, images, combination)
    index = int(np.argmax(mask.sum(axis=(1, 2))))
    if not mask[index].any():
        raise EmptyMaskError("found an outline around no pixel, expected a lesion to measure")
    plane = images[index].plane
    axes = longest_axes(mask[index], plane.pixel_spacing)
    return RecistAxes(*(plane.to_patient(axis[:, ::-1] + 0.5) for axis in axes))


def _named(contour: Contour, images: Sequence[ImageSlice]) -> int:
    uid, frame = contour.referenced_sop_instance_uid, contour.referenced_frame
    for index, image in enumerate(images):
        if image.sop_instance_uid == uid and (frame or 1) == (image.frame or 1):
            return index
    raise OtherImage(f"a contour was drawn on image {uid}, frame {frame or 1}: it is not there")


def _nearest(
    contour: Contour, outline: Outline, images: Sequence[ImageSlice]
) -> tuple[int, Contour]:
    """The nearest image to a contour in space, and the contour in its pixels."""
    distances = [float(image.plane.distance_mm(contour.points).max()) for image in images]
    index = int(np.argmin(distances))
    image = images[index]
    points = points_on_plane(contour, outline, image.plane)
    return index, replace(
        contour,
        points=points,
        referenced_sop_instance_uid=image.sop_instance_uid,
        referenced_frame=image.frame,
    )


def points_on_plane(
    contour: Contour, outline: Outline, plane: ImagePlane
) -> npt.NDArray[np.float64]:
    """Corners of a contour in the pixels of an image.

    Parameters
    ----------
    contour : Contour
        In pixels of the image, or in space.
    outline : Outline
        What it is a part of.
    plane : ImagePlane
        Of the image.

    Returns
    -------
    ndarray, shape (n, 2)

    Raises
    ------
    OtherFrameOfReference
        If a contour in space is in another frame of reference than the image.
    OffPlane
        If a contour in space is further from the image than half the slice spacing.
    """
    if not contour.in_space:
        return contour.points
    if plane.frame_of_reference_uid != outline.frame_of_reference_uid:
        raise OtherFrameOfReference(
            f"the outline is in frame of reference {outline.frame_of_reference_uid}, "
            f"the image in {plane.frame_of_reference_uid}"
        )
    spacing = plane.slice_spacing
    tolerance = DEFAULT_OFF_PLANE_MM if spacing is None else spacing / 2
    distance = float(plane.distance_mm(contour.points).max())
    if distance > tolerance * (1 + 1e-6):
        raise OffPlane(
            f"a contour is {distance:.2f} mm off the nearest plane, "
            f"expected at most {tolerance:.2f} mm"
        )
    return plane.to_pixel(contour.points)
