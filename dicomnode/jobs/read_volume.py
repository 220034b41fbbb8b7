"""Read CT slices, or frames of enhanced CT, into a volume of HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.pixels import apply_rescale, iter_pixels

from dicomnode.faults import describe_fault
from dicomnode.frames import FrameFile, UnreadableFrames, read_headers
from pipelines.errors import SegmentationError
from pipelines.recist import RecistAxes

TILT_TOLERANCE = 1e-3
"""Lateral shift of a slice step, per mm along the normal, that still counts as no tilt."""

_HU_TYPES = frozenset({"HU", "HU_MOD", "US"})
"""Rescale Types (PS3.3 C.11.1.1.2) that CT slices are read in; US is not stated."""

_OTHER_TYPES = frozenset({"OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"})
"""Others of the standard, which may be quoted."""


class UndecodableSliceError(SegmentationError):
    """The pixels of a slice cannot be decoded here; a repeat would not mend that."""


class UnscaledFrameError(SegmentationError):
    """Nothing says how the pixels of a frame become HU."""


def read_volume(
    slices: Sequence[Path | FrameFile], key: int | RecistAxes
) -> tuple[hd.Volume, tuple[str, ...]]:
    """Stack evenly spaced slices.

    Parameters
    ----------
    slices : sequence of Path or FrameFile
        CT slices in order along the normal, of one grid: files of single-frame CT, or frames of
        enhanced CT, each rescaled by its own Pixel Value Transformation (PS3.3 C.7.6.16.2.9).
    key : int or RecistAxes
        Position of the slice whose place in space is kept exactly; or the axes on it.

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
    UnscaledFrameError
        If a frame has no rescale slope and intercept, or not to HU.
    OSError
        If a file cannot be read.
    """
    headers, array = _read(slices)
    key_index = nearest_slice(headers, key) if isinstance(key, RecistAxes) else key
    first = headers[key_index]
    along_row, along_column = _directions(first)
    normal = np.cross(along_row, along_column)
    positions = np.array([s.ImagePositionPatient for s in headers], dtype=np.float64)
    spacing, warnings = _step(positions, normal, first)
    row_spacing, column_spacing = map(float, first.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = normal * spacing
    affine[:3, 1] = along_column * row_spacing
    affine[:3, 2] = along_row * column_spacing
    affine[:3, 3] = positions[key_index] - key_index * spacing * normal
    volume = hd.Volume(
        array,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=str(first.FrameOfReferenceUID),
    )
    return volume, warnings


def nearest_slice(headers: Sequence[pydicom.Dataset], axes: RecistAxes) -> int:
    """Position of the slice that axes lie on, or nearest to.

    Parameters
    ----------
    headers : sequence of Dataset
        Of slices of one orientation.
    axes : RecistAxes
        LPS mm.
    """
    normal = np.cross(*_directions(headers[0]))
    positions = np.array([h.ImagePositionPatient for h in headers], dtype=np.float64)
    return int(np.argmin(np.abs((positions - axes.centre) @ normal)))


def _read(slices: Sequence[Path | FrameFile]) -> tuple[list[pydicom.Dataset], np.ndarray]:
    """Headers and HU of slices; of a file with many frames only those that are asked for."""
    if not any(isinstance(one, FrameFile) for one in slices):
        images = [pydicom.dcmread(path) for path in slices]
        return images, np.stack([_hounsfield(image) for image in images])
    try:
        headers = read_headers(slices)
    except UnreadableFrames as error:
        raise UndecodableSliceError(str(error)) from None
    for one, header in zip(slices, headers, strict=True):
        _check_scaled(one, header)
    array = np.empty((len(slices), headers[0].Rows, headers[0].Columns), np.float32)
    by_file: dict[Path, list[int]] = {}
    for index, one in enumerate(slices):
        by_file.setdefault(one.path, []).append(index)
    for path, indices in by_file.items():
        numbers = [slices[index].number for index in indices]
        stored = _decoded(path, numbers, headers[indices[0]])
        for index, pixels in zip(indices, stored, strict=True):
            array[index] = apply_rescale(_signed(pixels, headers[index]), headers[index])
    return headers, array


def _check_scaled(one: FrameFile, header: pydicom.Dataset) -> None:
    where = f"frame {one.number} of the image {header.SOPInstanceUID}"
    if "RescaleSlope" not in header or "RescaleIntercept" not in header:
        raise UnscaledFrameError(
            f"{where} has neither rescale slope and intercept nor a mapping to HU"
        )
    kind = str(header.get("RescaleType") or "US")
    if kind not in _HU_TYPES:
        known = kind if kind in _OTHER_TYPES else "of a type unknown to the standard"
        raise UnscaledFrameError(f"the rescaled values of {where} are {known}, expected HU")


def _decoded(path: Path, numbers: Sequence[int], header: pydicom.Dataset) -> list[np.ndarray]:
    """Stored values of frames, in the order asked for."""
    try:
        return list(iter_pixels(path, indices=[number - 1 for number in numbers]))
    except (MemoryError, OSError):  # the machine's fault, not the image's
        raise
    except Exception as error:  # decoders raise many types, and quote what they found
        raise _undecodable(header, error) from None


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
        raise _undecodable(image, error) from None
    return apply_rescale(stored, image).astype(np.float32)


def _undecodable(image: pydicom.Dataset, error: Exception) -> UndecodableSliceError:
    syntax = image.file_meta.TransferSyntaxUID
    return UndecodableSliceError(
        f"slice {image.SOPInstanceUID}: its pixels, in {syntax.name} ({syntax}), cannot be "
        f"decoded: {describe_fault(error)}"
    )


def _stored_values(image: pydicom.Dataset) -> np.ndarray:
    """Pixel values of a single-frame image."""
    return _signed(image.pixel_array, image)


def _signed(array: np.ndarray, image: pydicom.Dataset) -> np.ndarray:
    """Pixel values with the sign that Bits Stored gives them (PS3.5 8.1.1).

    JPEG-LS and other codestreams of fewer than 16 signed bits leave the decoders without a sign,
    depending on who wrote them: air then has +3096 HU instead of -1000.
    """
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
