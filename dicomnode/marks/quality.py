"""Doubts about a mark: what a reader of the result should know, and what is no lesion at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomnode.marks.recist_mark import RecistMark
from dicomnode.store.received import InstanceHeader
from pipelines.recist import RecistAxes

MAX_AXIS_MM = 400.0
"""Longer than any lesion, about the width of a chest: a mark in wrong units."""

MIN_AXIS_MM = 1.0
"""Shorter than a CT can resolve."""

STATED_LENGTH_TOLERANCE = 0.10
"""Relative difference between the stated length and the points' distance."""

PERPENDICULAR_TOLERANCE_DEGREES = 15.0
CROSSING_TOLERANCE_MM = 1.0

MIN_SLICES = 2.0
"""Slice thicknesses that a lesion's long axis should measure at least: below that, RECIST 1.1
(Eisenhauer et al., Eur J Cancer 45, 228, 2009, appendix II) calls it not measurable."""

ENHANCED_CT_CLASSES = frozenset(
    "1.2.840.10008.5.1.4.1.1." + end
    for end in (
        "2.1",  # Enhanced CT Image
        "2.2",  # Legacy Converted Enhanced CT Image
    )
)
CT_CLASSES = ENHANCED_CT_CLASSES | {"1.2.840.10008.5.1.4.1.1.2"}


class AbsurdAxis(ValueError):
    """An axis is so long or short that nothing could be segmented from it."""


class UnsuitableImage(ValueError):
    """The image that a mark was drawn on is none that lesions are segmented on."""


def check_image(image: InstanceHeader) -> None:
    """Refuse an image that holds no CT slice.

    Parameters
    ----------
    image : InstanceHeader
        Or any other object with its attributes.

    Raises
    ------
    UnsuitableImage
        If it is no CT, a localizer (PS3.3 C.8.2.1.1.1), or has several frames though it is no
        enhanced CT: then nothing says where each lies.
    """
    if image.sop_class_uid not in CT_CLASSES:
        raise UnsuitableImage(
            f"the mark is on an image of modality {_printable(image.modality)}, expected CT"
        )
    if "LOCALIZER" in (value.upper() for value in image.image_type):
        raise UnsuitableImage("the mark is on a localizer, expected a CT slice")
    several = image.number_of_frames is not None and image.number_of_frames > 1
    if several and image.sop_class_uid not in ENHANCED_CT_CLASSES:
        raise UnsuitableImage(
            f"the mark is on a CT Image of {image.number_of_frames} frames, expected one"
        )


def _printable(modality: str) -> str:
    known = modality.isascii() and modality.isalnum() and len(modality) <= 16
    return modality if known else "that it does not state"


def check_quality(
    mark: RecistMark, axes: RecistAxes, *, slice_thickness: float | None = None
) -> tuple[str, ...]:
    """Look for signs that a mark does not mean what its points say.

    Parameters
    ----------
    mark : RecistMark
        For the lengths that its object states.
    axes : RecistAxes
        The same mark in patient coordinates.
    slice_thickness : float, optional
        Of the image that it lies on, mm.

    Returns
    -------
    tuple of str
        One text for each doubt; empty for a sound mark.

    Raises
    ------
    AbsurdAxis
        If an axis is longer than `MAX_AXIS_MM` or shorter than `MIN_AXIS_MM`.
    """
    drawn = {"long": axes.long_mm, "short": axes.short_mm}
    stated = {"long": mark.stated_long_mm, "short": mark.stated_short_mm}
    doubts = []
    for name, length in drawn.items():
        if length is None:
            continue
        if not MIN_AXIS_MM <= length <= MAX_AXIS_MM:
            raise AbsurdAxis(
                f"the {name} axis measures {length:.2f} mm, expected {MIN_AXIS_MM:g} to "
                f"{MAX_AXIS_MM:g} mm"
            )
        said = stated[name]
        if said is not None and abs(said - length) > STATED_LENGTH_TOLERANCE * length:
            doubts.append(
                f"the {name} axis is stated as {said:.1f} mm, its points are {length:.1f} mm apart"
            )
    if mark.uncalibrated:
        doubts.append('a length is stated in unit "1": where it was drawn, pixels had no size')
    if slice_thickness is not None and axes.long_mm < MIN_SLICES * slice_thickness:
        doubts.append(
            f"the long axis ({axes.long_mm:.1f} mm) is shorter than {MIN_SLICES:g} slices of "
            f"{slice_thickness:g} mm"
        )
    if axes.short_axis is not None:
        doubts.extend(_doubts_about_pair(axes))
    return tuple(doubts)


def _doubts_about_pair(axes: RecistAxes) -> list[str]:
    doubts = []
    if axes.short_mm > axes.long_mm * (1 + 1e-6):
        doubts.append(
            f"the short axis ({axes.short_mm:.1f} mm) is longer than the long axis "
            f"({axes.long_mm:.1f} mm)"
        )
    along_long = np.diff(axes.long_axis, axis=0)[0] / axes.long_mm
    along_short = np.diff(axes.short_axis, axis=0)[0] / axes.short_mm
    cosine = min(1.0, abs(float(along_long @ along_short)))
    angle = float(np.degrees(np.arccos(cosine)))
    if 90 - angle > PERPENDICULAR_TOLERANCE_DEGREES:
        doubts.append(f"the axes meet at {angle:.0f} degrees, expected 90")
    gap = _segment_distance(axes.long_axis, axes.short_axis)
    if gap > CROSSING_TOLERANCE_MM:
        doubts.append(f"the axes do not cross, they are {gap:.1f} mm apart")
    return doubts


def _segment_distance(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Least distance in mm between two line segments, each of shape (2, 3).

    Clamped closest points: Ericson, Real-Time Collision Detection (2005), 5.1.9.
    """
    along_first, along_second = first[1] - first[0], second[1] - second[0]
    between = first[0] - second[0]
    a, b, c = along_first @ along_first, along_first @ along_second, along_second @ along_second
    d, e = along_first @ between, along_second @ between
    determinant = a * c - b * b
    s = 0.0 if determinant < 1e-12 * a * c else float(np.clip((b * e - c * d) / determinant, 0, 1))
    t = float(np.clip((b * s + e) / c, 0, 1))
    s = float(np.clip((b * t - d) / a, 0, 1))
    return float(np.linalg.norm(between + s * along_first - t * along_second))
