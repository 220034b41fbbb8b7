"""Read CT slices into a volume of HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.pixels import apply_rescale

from dicomnode.faults import describe_fault
from pipelines.errors import SegmentationError

TILT_TOLERANCE = 1e-3
"""Lateral shift of a slice step, per mm along the normal, that still counts as no tilt."""


class UndecodableSliceError(SegmentationError):
    """The pixels of a slice cannot be decoded here; a repeat would not mend that."""


def read_volume(paths: Sequence[Path], key_index: int) -> tuple[hd.Volume, tuple[str, ...]]:
    """Stack evenly spaced slices.

    Parameters
    ----------
    paths : sequence of Path
        CT slices in order along the normal, of one grid.
    key_index : int
        Position of the slice whose place in space is kept exactly.

    Returns
    -------
    volume : highdicom.Volume, float32, axes (slice, row, column)
        HU. Slices of a tilted gantry are stacked as if they were not shifted against each other:
        the array is theirs, but only the key slice lies where it was.
    warnings : tuple of str
        What that costs.

    Raises
    ------
    UndecodableSliceError
        If the pixels of a slice are in a transfer syntax without a decoder, or damaged.
    OSError
        If a file cannot be read.
    """
    slices = [pydicom.dcmread(path) for path in paths]
    array = np.stack([_hounsfield(s) for s in slices])
    key = slices[key_index]
    along_row, along_column = _directions(key)
    normal = np.cross(along_row, along_column)
    positions = np.array([s.ImagePositionPatient for s in slices], dtype=np.float64)
    spacing, warnings = _step(positions, normal, key)
    row_spacing, column_spacing = map(float, key.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = normal * spacing
    affine[:3, 1] = along_column * row_spacing
    affine[:3, 2] = along_row * column_spacing
    affine[:3, 3] = positions[key_index] - key_index * spacing * normal
    volume = hd.Volume(
        array,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=str(key.FrameOfReferenceUID),
    )
    return volume, warnings


def _directions(image: pydicom.Dataset) -> np.ndarray:
    """Row and column direction, shape (2, 3), made orthonormal: scanners round the cosines."""
    row, column = np.array(image.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    return np.stack([row, column / np.linalg.norm(column)])


def _hounsfield(image: pydicom.Dataset) -> np.ndarray:
    """HU of one slice: modality LUT applied (PS3.3 C.11.1)."""
    try:
        stored = _stored_values(image)
    except MemoryError:  # the machine's fault, not the slice's
        raise
    except Exception as error:  # decoders raise many types, and quote what they found
        syntax = image.file_meta.TransferSyntaxUID
        raise UndecodableSliceError(
            f"slice {image.SOPInstanceUID}: its pixels, in {syntax.name} ({syntax}), cannot be "
            f"decoded: {describe_fault(error)}"
        ) from None
    return apply_rescale(stored, image).astype(np.float32)


def _stored_values(image: pydicom.Dataset) -> np.ndarray:
    """Pixel values with the sign that Bits Stored gives them (PS3.5 8.1.1).

    JPEG-LS and other codestreams of fewer than 16 signed bits leave the decoders without a sign,
    depending on who wrote them: air then has +3096 HU instead of -1000.
    """
    array = image.pixel_array
    unused = 8 * array.dtype.itemsize - image.BitsStored
    return (array << unused) >> unused if unused > 0 else array


def _step(
    positions: np.ndarray, normal: np.ndarray, key: pydicom.Dataset
) -> tuple[float, tuple[str, ...]]:
    if len(positions) == 1:
        thickness = float(key.get("SliceThickness") or 1.0)
        return thickness, ("only one slice: the third dimension is not known",)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    spacing = float(step @ normal)
    lateral = float(np.linalg.norm(step - spacing * normal)) / spacing
    if lateral > TILT_TOLERANCE:
        angle = float(np.degrees(np.arctan(lateral)))
        return spacing, (f"gantry tilt of {angle:.1f} degrees: matted on the sheared grid",)
    return spacing, ()
