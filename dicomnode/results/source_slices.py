"""The CT slices that a result is drawn on: their headers, and whether they form one stack."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.valuerep import format_number_as_ds

from pipelines.soft_mask import SoftMask

GAP_TOLERANCE = 0.05
"""Relative difference between two steps of a regular stack; covers positions rounded to 0.1 mm
at a spacing of 2 mm."""

POSITION_TOLERANCE_MM = 0.02
DIRECTION_TOLERANCE = 1e-3
"""Difference between direction cosines that is still one orientation, that of the first slice
(highdicom writes only one). It moves the far corner of a 360 mm image by 0.4 mm at most."""

_PIXEL_GROUP = 0x7FE00000

_REQUIRED = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "SOPClassUID",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
)

_OF_PATIENT_AND_STUDY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes that highdicom reads from a source image, validates and may quote in a warning."""


class UnusableGeometry(ValueError):
    """The slices do not form one regular stack, or the mask does not lie on them."""


def source_headers(sources: Sequence[Dataset]) -> list[Dataset]:
    """Copies of slice headers for highdicom, without pixel data and with nobody's name in them.

    What a sender left out or got wrong about patient and study must not stop a result, and
    highdicom quotes odd names in warnings, which would carry them into logs. So these attributes
    are empty here; `copy_patient_and_study` brings them into the result as they are.

    Raises
    ------
    UnusableGeometry
        If an attribute of the slices' geometry or identity is missing.
    """
    check_complete(sources)
    headers = []
    for source in sources:
        header = Dataset()
        header.update(_readable_elements(source))
        for keyword in _OF_PATIENT_AND_STUDY:
            setattr(header, keyword, None)
        # Type 2, and read by highdicom whether it is there or not.
        header.setdefault("SliceThickness", None)
        headers.append(header)
    return headers


def check_complete(sources: Sequence[Dataset]) -> None:
    """Check that slices say what and where they are.

    Raises
    ------
    UnusableGeometry
        If an attribute of the slices' geometry or identity is missing.
    """
    for source in sources:
        missing = [keyword for keyword in _REQUIRED if source.get(keyword) in (None, "")]
        if missing:
            raise UnusableGeometry(f"a slice has no {', '.join(missing)}")


def copy_patient_and_study(source: Dataset, result: hd.SOPClass) -> None:
    """Bring the patient and study modules of a slice into a result, as they are.

    Texts are written in UTF-8, whatever the slice's character set, which may be unknown to
    highdicom or misspelled; pydicom has decoded them by here.
    """
    header = Dataset()
    header.update(_readable_elements(source))
    result.copy_patient_and_study_information(header)
    result.SpecificCharacterSet = "ISO_IR 192"


def _readable_elements(source: Dataset) -> dict[BaseTag, DataElement]:
    """Standard elements below the pixel data; one that cannot be decoded is no part of a result."""
    elements = {}
    for tag, _ in source.items():
        if tag < _PIXEL_GROUP and not tag.is_private:
            try:
                # A copy: setting an attribute of the header changes the element in place.
                elements[tag] = copy.copy(source[tag])
            except Exception:  # pydicom's converters raise many types on a broken value
                continue
    return elements


def check_geometry(headers: Sequence[Dataset]) -> float | None:
    """Check that slices are of one series, size, spacing and orientation, in equal steps.

    The step may lean (gantry tilt): each frame keeps its own position.

    Returns
    -------
    float or None
        Distance between the slices in mm; None for a single slice.

    Raises
    ------
    UnusableGeometry
        With the numbers that differ.
    """
    first = headers[0]
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        found = {header.get(keyword) for header in headers}
        if len(found) > 1:
            raise UnusableGeometry(f"the slices have {len(found)} different {keyword}")
    sizes = sorted({(header.Rows, header.Columns) for header in headers})
    if len(sizes) > 1:
        raise UnusableGeometry(f"the slices have different sizes: {_list(sizes)}")
    spacings = np.array([header.PixelSpacing for header in headers], dtype=np.float64)
    if (np.abs(spacings - spacings[0]) > 1e-3 * spacings[0]).any():
        different = sorted({tuple(spacing) for spacing in spacings.tolist()})
        raise UnusableGeometry(f"the slices have different pixel spacings: {_list(different)} mm")
    directions = np.array([header.ImageOrientationPatient for header in headers], dtype=np.float64)
    if (np.abs(directions - directions[0]) > DIRECTION_TOLERANCE).any():
        different = sorted({tuple(direction) for direction in directions.tolist()})
        raise UnusableGeometry(f"the slices have different orientations: {_list(different)}")
    positions = np.array([header.ImagePositionPatient for header in headers], dtype=np.float64)
    if not np.isfinite(positions).all():
        raise UnusableGeometry("a slice position is not finite")
    return _check_steps(positions, _normal(first)) if len(headers) > 1 else None


def _check_steps(positions: npt.NDArray[np.float64], normal: npt.NDArray[np.float64]) -> float:
    steps = np.diff(positions, axis=0)
    gaps = steps @ normal
    gap = float(np.median(gaps))
    if abs(gap) < POSITION_TOLERANCE_MM:
        raise UnusableGeometry(f"the slices are {abs(gap):.3f} mm apart: positions stand twice")
    tolerance = max(GAP_TOLERANCE * abs(gap), POSITION_TOLERANCE_MM)
    if (np.abs(gaps - gap) > tolerance).any():
        raise UnusableGeometry(
            f"the gaps between slices are not uniform: {np.abs(gaps).min():.3f} to "
            f"{np.abs(gaps).max():.3f} mm, expected {abs(gap):.3f} mm in one direction"
        )
    shift = np.linalg.norm(steps - np.median(steps, axis=0), axis=1).max()
    if shift > tolerance:
        raise UnusableGeometry(
            f"the slices are shifted against each other by up to {shift:.3f} mm, expected "
            f"{tolerance:.3f} mm at most"
        )
    return abs(gap)


def state_shared_geometry(headers: Sequence[Dataset], gap: float) -> None:
    """Write into header copies what all frames of a result share, for highdicom to take from there.

    highdicom asks for orientations that are equal to the last digit, and would state 1 mm between
    the slices of a single frame. `gap` is the distance between slices in mm.
    """
    for header in headers:
        header.ImageOrientationPatient = headers[0].ImageOrientationPatient
        header.SpacingBetweenSlices = format_number_as_ds(gap)
        if not header.SliceThickness:
            header.SliceThickness = format_number_as_ds(gap)


def check_same_grid(mask: SoftMask, sources: Sequence[Dataset]) -> None:
    """Check that a mask lies on the slices where its offset says: a mirrored result must not pass.

    The first and the last covered slice are compared with the mask's own affine. A leaning stack
    (gantry tilt) has no affine with right angles, so there only the distance along the normal
    counts.

    Raises
    ------
    UnusableGeometry
        If the mask leaves the volume, or a slice lies elsewhere than the mask says.
    """
    shape, offset = mask.alpha.array.shape, mask.offset
    if offset[0] < 0 or offset[0] + shape[0] > len(sources):
        raise UnusableGeometry(
            f"the mask covers slices {offset[0]} to {offset[0] + shape[0] - 1} of {len(sources)}"
        )
    ends = source_headers([sources[offset[0]], sources[offset[0] + shape[0] - 1]])
    rows, columns = ends[0].Rows, ends[0].Columns
    if min(offset[1:]) < 0 or offset[1] + shape[1] > rows or offset[2] + shape[2] > columns:
        raise UnusableGeometry(
            f"the mask covers rows {offset[1]} to {offset[1] + shape[1] - 1} and columns "
            f"{offset[2]} to {offset[2] + shape[2] - 1} of {rows} x {columns}"
        )
    affine = mask.alpha.affine
    normal = _normal(ends[0])
    row_spacing, column_spacing = (float(v) for v in ends[0].PixelSpacing)
    directions = np.array(ends[0].ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    in_plane = np.stack([directions[1] * row_spacing, directions[0] * column_spacing], axis=1)
    if not np.allclose(affine[:3, 1:3], in_plane, atol=0.01 * min(row_spacing, column_spacing)):
        raise UnusableGeometry("rows and columns of the mask do not run as those of the slices do")
    corners = [
        np.array(end.ImagePositionPatient, dtype=np.float64) + in_plane @ np.array(offset[1:])
        for end in ends
    ]
    lateral = corners[1] - corners[0]
    lateral -= normal * (lateral @ normal)
    leans = np.linalg.norm(lateral) > 0.25 * min(row_spacing, column_spacing)
    slice_spacing = float(np.linalg.norm(affine[:3, 0]))
    for index, corner in zip((0, shape[0] - 1), corners, strict=True):
        error = corner - (affine[:3, 3] + index * affine[:3, 0])
        along = abs(float(error @ normal))
        across = 0.0 if leans else float(np.linalg.norm(error - normal * (error @ normal)))
        if along > 0.5 * slice_spacing or across > 0.5 * min(row_spacing, column_spacing):
            raise UnusableGeometry(
                f"slice {offset[0] + index} lies {along:.2f} mm along and {across:.2f} mm across "
                "the normal from where the mask says"
            )


def _normal(header: Dataset) -> npt.NDArray[np.float64]:
    directions = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    normal = np.cross(directions[0], directions[1])
    length = float(np.linalg.norm(normal))
    if not length > 0.5:
        raise UnusableGeometry("the row and column directions of a slice are not perpendicular")
    return normal / length


def _list(values: Sequence[tuple]) -> str:
    shown = " and ".join(str(value) for value in values[:4])
    return shown if len(values) <= 4 else f"{shown} and {len(values) - 4} more"
