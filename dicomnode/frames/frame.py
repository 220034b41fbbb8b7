"""One frame of an enhanced CT, and the object that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicomnode.marks.placement import ImagePlane
from dicomnode.marks.slice_name import slice_name


@dataclass(frozen=True)
class FrameFile:
    """One frame in a Part 10 file.

    Attributes
    ----------
    path : Path
    number : int
        Frame number, from 1.
    """

    path: Path
    number: int


@dataclass(frozen=True)
class Concatenation:
    """What one object says of the concatenation that it is a part of (PS3.3 C.7.6.16.2.2.4).

    Attributes
    ----------
    uid : str
        Concatenation UID (0020,9161), the same in all parts.
    number : int or None
        In-concatenation Number (0020,9162), from 1.
    total : int or None
        In-concatenation Total Number (0020,9163).
    source_uid : str or None
        SOP Instance UID of Concatenation Source (0020,0242): the image that was divided.
    frame_offset : int or None
        Concatenation Frame Offset Number (0020,9228): frames of that image before the first of
        this part.
    """

    uid: str
    number: int | None
    total: int | None
    source_uid: str | None = None
    frame_offset: int | None = None


@dataclass(frozen=True)
class Frame:
    """Where one frame lies, and what tells its stack from the others of its object.

    Attributes
    ----------
    sop_instance_uid : str
    number : int
        Frame number, from 1.
    plane : ImagePlane or None
        None where the frame has no usable position, orientation, spacing or size. Its slice
        spacing is the slice thickness, as marks in space may lie half of that off.
    slice_thickness : float or None
        mm.
    frame_type : tuple of str
        Frame Type (0008,9007), such as ORIGINAL, PRIMARY, VOLUME, NONE.
    volumetric_properties, technique : str or None
        Volumetric Properties (0008,9206) and Volume Based Calculation Technique (0008,9207).
    stack_id : str or None
        (0020,9056).
    in_stack_position : int or None
        (0020,9057).
    kernel : str or None
        Convolution Kernel (0018,1210).
    parts : tuple
        Values of what else may tell stacks apart, in the same order for all frames: the object or
        its concatenation, Temporal Position Index, tube voltage, dimensions other than place and
        time, acquisition number and times. See `split_into_stacks`.
    """

    sop_instance_uid: str
    number: int
    plane: ImagePlane | None
    slice_thickness: float | None = None
    frame_type: tuple[str, ...] = ()
    volumetric_properties: str | None = None
    technique: str | None = None
    stack_id: str | None = None
    in_stack_position: int | None = None
    kernel: str | None = None
    parts: tuple[object, ...] = ()

    @property
    def name(self) -> str:
        """As `slice_name`."""
        return slice_name(self.sop_instance_uid, self.number)

    @property
    def is_original(self) -> bool:
        """Whether the pixels are as they were acquired (PS3.3 C.8.16.1.1)."""
        return self.frame_type[:1] == ("ORIGINAL",)


@dataclass(frozen=True)
class FrameObject:
    """All frames of one object.

    Attributes
    ----------
    frames : tuple of Frame
        In the order of the object.
    concatenation : Concatenation or None
    """

    frames: tuple[Frame, ...]
    concatenation: Concatenation | None = None
