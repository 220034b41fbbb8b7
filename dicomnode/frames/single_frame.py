"""A frame of an enhanced CT as the header of a single-frame CT: what reads one reads the other."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import format_number_as_ds

from dicomnode.frames.frame import FrameFile
from dicomnode.frames.functional_groups import UnreadableFrames, macro, read_frame_header
from dicomnode.marks.attributes import (
    Item,
    read_attribute,
    read_numbers,
    read_sequence,
    read_text,
)

_OF_FRAMES = frozenset(
    {
        0x00080008,  # Image Type: that of the frame is taken
        0x00209161,  # Concatenation UID
        0x00209162,  # In-concatenation Number
        0x00209163,  # In-concatenation Total Number
        0x00209167,  # Functional Group Pointer
        0x00209221,  # Dimension Organization Sequence
        0x00209222,  # Dimension Index Sequence
        0x00209228,  # Concatenation Frame Offset Number
        0x00209311,  # Dimension Organization Type
        0x00200242,  # SOP Instance UID of Concatenation Source
        0x00280008,  # Number of Frames
        0x00280009,  # Frame Increment Pointer
        # Have no place outside of the functional groups.
        0x00180050,  # Slice Thickness
        0x00200032,  # Image Position (Patient)
        0x00200037,  # Image Orientation (Patient)
        0x00280030,  # Pixel Spacing
        0x00281052,  # Rescale Intercept
        0x00281053,  # Rescale Slope
        0x00281054,  # Rescale Type
        0x52009229,  # Shared Functional Groups Sequence
        0x52009230,  # Per-Frame Functional Groups Sequence
    }
)

_MACROS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
}

_RESCALE = ("RescaleSlope", "RescaleIntercept")
_HOUNSFIELD = ("[hnsf'U]", "UCUM")


def frame_headers(dataset: Dataset, numbers: Iterable[int]) -> list[Dataset]:
    """Headers of frames as if each were a single-frame CT (PS3.3 A.3).

    Geometry, rescaling and frame type come from the functional groups of the frame, or those that
    all frames share. SOP Class and Instance UID stay those of the whole object. Rescale Slope and
    Intercept are absent where the frame has no Pixel Value Transformation, and no Real World Value
    Mapping to HU either.

    Parameters
    ----------
    dataset : Dataset
        Enhanced or Legacy Converted Enhanced CT, without need of pixel data.
    numbers : iterable of int
        Frame numbers, from 1.

    Raises
    ------
    UnreadableFrames
        If there is no such frame.
    """
    groups = read_sequence(dataset, "PerFrameFunctionalGroupsSequence")
    shared = read_sequence(dataset, "SharedFunctionalGroupsSequence")[:1]
    common = _encoded_elements(dataset)
    headers = []
    for number in numbers:
        if not 1 <= number <= len(groups):
            raise UnreadableFrames(f"frame {number} is asked for, the image has {len(groups)}")
        header = Dataset()
        header.update(common)
        header.file_meta = getattr(dataset, "file_meta", None)
        _place(header, [groups[number - 1], *shared])
        headers.append(header)
    return headers


def read_headers(slices: Sequence[Path | FrameFile]) -> list[Dataset]:
    """Headers of slices, in their order; each file is read once.

    Parameters
    ----------
    slices : sequence of Path or FrameFile
        Single-frame files, or frames of multi-frame ones.

    Raises
    ------
    UnreadableFrames
        If the frames of a file cannot be read.
    OSError
        If a file cannot be read.
    """
    wanted: dict[Path, list[int]] = {}
    for one in slices:
        if isinstance(one, FrameFile):
            wanted.setdefault(one.path, []).append(one.number)
    frames = {
        FrameFile(path, number): header
        for path, numbers in wanted.items()
        for number, header in zip(
            numbers, frame_headers(read_frame_header(path), numbers), strict=True
        )
    }
    return [
        frames[one] if isinstance(one, FrameFile) else pydicom.dcmread(one, stop_before_pixels=True)
        for one in slices
    ]


def _encoded_elements(dataset: Dataset) -> dict[BaseTag, DataElement | RawDataElement]:
    """What all frames have in common, undecoded; without what cannot be looked at."""
    found = {}
    for tag in dataset.keys() - _OF_FRAMES:
        try:
            found[tag] = dataset.get_item(tag)
        except Exception:  # of a VR that is none, for one
            continue
    return found


def _place(header: Dataset, groups: list[Item]) -> None:
    for sequence, keywords in _MACROS.items():
        item = macro(groups, sequence)
        for keyword in keywords:
            if read_numbers(item, keyword) is not None:
                _copy(header, item, keyword)
    kind = macro(groups, "CTImageFrameTypeSequence")
    if read_attribute(kind, "FrameType") is not None:
        _set(header, "ImageType", "CS", read_attribute(kind, "FrameType"))
    _rescale(header, groups)


def _rescale(header: Dataset, groups: list[Item]) -> None:
    """Slope, intercept and type; of a mapping to HU where there is no modality LUT."""
    transformation = macro(groups, "PixelValueTransformationSequence")
    if all(read_numbers(transformation, k) is not None for k in _RESCALE):
        for keyword in _RESCALE:
            _copy(header, transformation, keyword)
        _set(header, "RescaleType", "LO", read_text(transformation, "RescaleType") or "US")
        return
    mapping = macro(groups, "RealWorldValueMappingSequence")
    units = read_sequence(mapping, "MeasurementUnitsCodeSequence")[:1]
    unit = [
        (read_text(item, "CodeValue"), read_text(item, "CodingSchemeDesignator")) for item in units
    ]
    values = [read_attribute(mapping, f"RealWorldValue{name}") for name in ("Slope", "Intercept")]
    numbers = all(isinstance(value, float) and math.isfinite(value) for value in values)
    if unit == [_HOUNSFIELD] and numbers:
        for keyword, value in zip(_RESCALE, values, strict=True):
            _set(header, keyword, "DS", format_number_as_ds(value))
        _set(header, "RescaleType", "LO", "HU")


def _copy(header: Dataset, item: Item, keyword: str) -> None:
    element = item.get(Tag(keyword))
    _set(header, keyword, element.VR, element.value)


def _set(header: Dataset, keyword: str, vr: str, value: object) -> None:
    # pydicom checks values of some representations, and refuses what it has read before.
    with contextlib.suppress(ValueError, TypeError):
        header.add_new(Tag(keyword), vr, value)
