"""Read where the frames of an enhanced CT lie from its functional groups (PS3.3 C.7.6.16).

An attribute of a frame is in the frame's own item, or else in that which all frames share. What
cannot be read is absent; it costs the frame, never the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicomnode.faults import describe_fault
from dicomnode.frames.frame import Concatenation, Frame, FrameObject
from dicomnode.marks.attributes import (
    Item,
    read_attribute,
    read_integers,
    read_numbers,
    read_sequence,
    read_text,
    read_uid,
)
from dicomnode.marks.placement import ImagePlane

MAX_FRAMES = 10_000
"""Frames of one object that are read, in half a millisecond each; perfusion has some thousand."""

MAX_UNDEFINED_ITEMS = 100_000
"""Items of undefined length before the pixels: pydicom decodes them all, in 0.1 ms each."""

_UNDEFINED_ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
_LONGEST_HEADER = 2**26
_CHUNK = 2**22

_OF_PLACE = frozenset(
    {
        0x00200032,  # Image Position (Patient)
        0x00200037,  # Image Orientation (Patient)
        0x00201041,  # Slice Location
        0x00209056,  # Stack ID
        0x00209057,  # In-Stack Position Number
    }
)
"""Dimensions that say where a frame lies, not which of several at one place it is."""


class UnreadableFrames(ValueError):
    """An enhanced object whose frames cannot be read at all."""


def read_frame_file(path: Path) -> FrameObject:
    """Read the frames of a Part 10 file, without pixels; as `read_frames`.

    Raises
    ------
    UnreadableFrames
        If the object cannot be parsed, or is beyond the bounds.
    OSError
        If the file cannot be read.
    """
    return read_frames(read_frame_header(path))


def read_frame_header(path: Path) -> Dataset:
    """Parse all of a Part 10 file but the pixels.

    Raises
    ------
    UnreadableFrames
        If it cannot be parsed, or would take too long.
    OSError
        If the file cannot be read.
    """
    with open(path, "rb") as file:
        items = 0
        for _ in range(_LONGEST_HEADER // _CHUNK):
            chunk = file.read(_CHUNK)
            items += chunk.count(_UNDEFINED_ITEM)
            if not chunk:
                break
        if items > MAX_UNDEFINED_ITEMS:
            raise UnreadableFrames(
                f"found {items} items of undefined length, expected at most {MAX_UNDEFINED_ITEMS}"
            )
        file.seek(0)
        try:
            return pydicom.dcmread(file, stop_before_pixels=True)
        except Exception as error:  # pydicom raises many types, and quotes what it found
            if isinstance(error, OSError) and error.errno is not None:  # the machine's fault
                raise
            raise UnreadableFrames(f"cannot be parsed: {describe_fault(error)}") from None


def read_frames(dataset: Dataset) -> FrameObject:
    """Read the frames of an Enhanced or Legacy Converted Enhanced CT (PS3.3 A.38, A.70).

    Parameters
    ----------
    dataset : Dataset
        Without need of pixel data.

    Returns
    -------
    FrameObject

    Raises
    ------
    UnreadableFrames
        If Number of Frames and the Per-Frame Functional Groups do not go together, or there are
        more than `MAX_FRAMES`.
    """
    uid = read_uid(dataset, "SOPInstanceUID")
    if uid is None:
        raise UnreadableFrames("the image has no SOP Instance UID")
    groups = read_sequence(dataset, "PerFrameFunctionalGroupsSequence")
    count = read_integers(dataset, "NumberOfFrames")
    if count is None or len(count) != 1 or count[0] != len(groups):
        said = "none or several" if count is None or len(count) != 1 else count[0]
        raise UnreadableFrames(
            f"found {len(groups)} items of Per-Frame Functional Groups, expected one for each of "
            f"{said} Number of Frames"
        )
    if len(groups) > MAX_FRAMES:
        raise UnreadableFrames(f"found {len(groups)} frames, expected at most {MAX_FRAMES}")
    concatenation = _concatenation(dataset)
    reader = _FrameReader(dataset, uid, uid if concatenation is None else concatenation.uid)
    frames = tuple(reader.frame(number, item) for number, item in enumerate(groups, start=1))
    return FrameObject(frames, concatenation)


def macro(groups: Sequence[Item], keyword: str) -> Item:
    """The item of a functional group macro, of the frame or else the shared one; may be empty.

    Parameters
    ----------
    groups : sequence of Dataset or EncodedItem
        The frame's functional groups, then the shared ones.
    keyword : str
        Of the macro's sequence.
    """
    for group in groups:
        items = read_sequence(group, keyword)
        if items:
            return items[0]
    return Dataset()


def _concatenation(dataset: Dataset) -> Concatenation | None:
    uid = read_uid(dataset, "ConcatenationUID")
    if uid is None:
        return None
    number, total, offset = (
        (read_integers(dataset, keyword) or (None,))[0]
        for keyword in (
            "InConcatenationNumber",
            "InConcatenationTotalNumber",
            "ConcatenationFrameOffsetNumber",
        )
    )
    source = read_uid(dataset, "SOPInstanceUIDOfConcatenationSource")
    return Concatenation(uid, number, total, source, offset)


class _FrameReader:
    """Reads frames of one object; what all share is read once."""

    def __init__(self, dataset: Dataset, uid: str, object_uid: str) -> None:
        self._uid = uid
        self._object_uid = object_uid
        self._shared = read_sequence(dataset, "SharedFunctionalGroupsSequence")[:1]
        self._shared_macros: dict[str, Item] = {}
        self._size = tuple(
            (read_integers(dataset, keyword) or (0,))[0] for keyword in ("Rows", "Columns")
        )
        self._space = read_uid(dataset, "FrameOfReferenceUID")
        self._dimensions = [
            _pointer(item) for item in read_sequence(dataset, "DimensionIndexSequence")
        ]

    def frame(self, number: int, group: Item) -> Frame:
        content = self._macro(group, "FrameContentSequence")
        kind = self._macro(group, "CTImageFrameTypeSequence")
        thickness = _number(self._macro(group, "PixelMeasuresSequence"), "SliceThickness")
        thickness = thickness if thickness is not None and thickness > 0 else None
        return Frame(
            sop_instance_uid=self._uid,
            number=number,
            plane=self._plane(group, thickness),
            slice_thickness=thickness,
            frame_type=_codes(kind, "FrameType"),
            volumetric_properties=read_text(kind, "VolumetricProperties"),
            technique=read_text(kind, "VolumeBasedCalculationTechnique"),
            stack_id=read_text(content, "StackID"),
            in_stack_position=_integer(content, "InStackPositionNumber"),
            kernel=self._kernel(group),
            parts=(
                self._object_uid,
                _integer(content, "TemporalPositionIndex"),
                _number(self._macro(group, "CTXRayDetailsSequence"), "KVP"),
                self._other_dimensions(content),
                _integer(content, "FrameAcquisitionNumber"),
                read_text(content, "FrameReferenceDateTime"),
                read_text(content, "FrameAcquisitionDateTime"),
            ),
        )

    def _macro(self, group: Item, keyword: str) -> Item:
        own = read_sequence(group, keyword)
        if own:
            return own[0]
        if keyword not in self._shared_macros:
            self._shared_macros[keyword] = macro(self._shared, keyword)
        return self._shared_macros[keyword]

    def _plane(self, group: Item, thickness: float | None) -> ImagePlane | None:
        position = self._macro(group, "PlanePositionSequence")
        orientation = self._macro(group, "PlaneOrientationSequence")
        measures = self._macro(group, "PixelMeasuresSequence")
        values = (
            read_numbers(position, "ImagePositionPatient"),
            read_numbers(orientation, "ImageOrientationPatient"),
            read_numbers(measures, "PixelSpacing"),
        )
        if any(value is None for value in values):
            return None
        try:
            return ImagePlane(*values, *self._size, self._space, thickness)
        except ValueError:
            return None

    def _kernel(self, group: Item) -> str | None:
        for keyword in (
            "CTReconstructionSequence",
            # Where conversions of single frames leave it (PS3.3 C.7.6.16.2.25 and .26).
            "UnassignedPerFrameConvertedAttributesSequence",
            "UnassignedSharedConvertedAttributesSequence",
        ):
            value = read_attribute(self._macro(group, keyword), "ConvolutionKernel")
            if value is not None:
                return str(value)
        return None

    def _other_dimensions(self, content: Item) -> tuple[int, ...]:
        """Index values of dimensions other than place (PS3.3 C.7.6.17)."""
        indices = _integers(content, "DimensionIndexValues")
        if len(indices) != len(self._dimensions):
            return ()
        return tuple(
            index
            for index, pointer in zip(indices, self._dimensions, strict=True)
            if pointer not in _OF_PLACE
        )


def _pointer(item: Item) -> int | None:
    value = read_attribute(item, "DimensionIndexPointer")
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _codes(item: Item, keyword: str) -> tuple[str, ...]:
    value = read_attribute(item, keyword)
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else list(value)
    return tuple(str(one).strip().upper() for one in values)


def _number(item: Item, keyword: str) -> float | None:
    numbers = read_numbers(item, keyword)
    return None if numbers is None or len(numbers) != 1 else float(numbers[0])


def _integers(item: Item, keyword: str) -> tuple[int, ...]:
    return read_integers(item, keyword) or ()


def _integer(item: Item, keyword: str) -> int | None:
    numbers = _integers(item, keyword)
    return numbers[0] if len(numbers) == 1 else None
