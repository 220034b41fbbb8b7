"""Segments of SEG objects: BINARY, FRACTIONAL and LABELMAP (PS3.3 A.51 and C.8.20).

Incomplete ones are read too: dcmjs leaves out derivation attributes, and some writers name no
image for a frame. Such a frame has its position only, and is matched to its slice by it later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from dicomnode.marks.attributes import (
    read_attribute,
    read_code,
    read_integers,
    read_numbers,
    read_sequence,
    read_text,
    read_uid,
    sop_instance_uid,
)
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.segment import Segment, SegmentFrame, SegmentKind, UndecodableFrame

LABELMAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"

MAX_FRAMES = 2_000
"""Frames of one object that are read."""

MAX_SEGMENTS = 500
"""Segments of one object that are read."""

MAX_SEGMENT_FRAMES = 40_000
"""Frames of all segments together; each frame of a LABELMAP is one of each segment."""

MAX_FRAME_PIXELS = 4096 * 4096
"""Pixels of one frame that are decoded."""


@dataclass(frozen=True)
class _FrameHeader:
    number: int
    segment: int | None
    image: str | None
    image_frame: int | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, ...] | None


def read_seg(dataset: Dataset) -> MarkReading:
    """Read the segments of a SEG.

    Parameters
    ----------
    dataset : Dataset
        A segmentation, with or without its pixel data. It may break the standard.

    Returns
    -------
    MarkReading
        One segment for each segment number that a frame names, in the order of the numbers; of
        a LABELMAP one for each described segment, with all frames. Pixels are decoded when they
        are asked for. A frame that belongs to no segment, or lies nowhere, is a refusal.
    """
    source = sop_instance_uid(dataset)
    if source is None:
        return MarkReading(refusals=(Refusal("1", "the object has no SOP Instance UID"),))
    kind = _kind(dataset)
    size = [read_integers(dataset, keyword) for keyword in ("Rows", "Columns")]
    count = read_integers(dataset, "NumberOfFrames") or (1,)
    problem = None
    if kind is None:
        problem = "the segmentation type is missing, expected BINARY, FRACTIONAL or LABELMAP"
    elif not all(size) or min(size[0][0], size[1][0]) < 1:
        problem = "the rows or columns are missing"
    elif size[0][0] * size[1][0] > MAX_FRAME_PIXELS:
        problem = f"{size[0][0]} x {size[1][0]} pixels, expected at most {MAX_FRAME_PIXELS}"
    elif not 1 <= count[0] <= MAX_FRAMES:
        problem = f"{count[0]} frames, expected 1 to {MAX_FRAMES}"
    elif kind is SegmentKind.FRACTIONAL and _full_scale(dataset) is None:
        problem = "no Maximum Fractional Value: what a full pixel is is not stated"
    if problem is not None:
        return MarkReading(refusals=(Refusal("1", problem),))
    described = _described_segments(dataset)
    headers, refusals = _frame_headers(dataset, count[0], kind, described)
    if kind is SegmentKind.LABELMAP and len(headers) * len(described) > MAX_SEGMENT_FRAMES:
        reason = (
            f"{len(headers)} frames of {len(described)} segments, expected at most "
            f"{MAX_SEGMENT_FRAMES} in all"
        )
        return MarkReading(refusals=(Refusal("1", reason),))
    by_segment: dict[int, list[SegmentFrame]] = defaultdict(list)
    labels: dict[int, frozenset[int]] = {}
    for header in headers:
        numbers = described if header.segment is None else (header.segment,)
        for number in numbers:
            by_segment[number].append(
                _frame(
                    header,
                    size[0][0],
                    size[1][0],
                    _decoder(dataset, kind, header.number, number, labels),
                )
            )
    if len(by_segment) > MAX_SEGMENTS:
        reason = f"{len(by_segment)} segments, expected at most {MAX_SEGMENTS}"
        return MarkReading(refusals=(Refusal("1", reason),))
    space = read_uid(dataset, "FrameOfReferenceUID")
    segments = [
        _segment(number, frames, kind, source, space, described.get(number))
        for number, frames in sorted(by_segment.items())
    ]
    if not segments and not refusals:
        refusals.append(Refusal("1", "no segments in this object"))
    return MarkReading(segments=tuple(segments), refusals=tuple(refusals))


def _kind(dataset: Dataset) -> SegmentKind | None:
    if read_text(dataset, "SOPClassUID") == LABELMAP_CLASS:
        return SegmentKind.LABELMAP
    stated = read_text(dataset, "SegmentationType")
    if stated in SegmentKind.__members__:
        return SegmentKind[stated]
    bits = read_integers(dataset, "BitsAllocated")
    return SegmentKind.BINARY if stated is None and bits == (1,) else None


def _full_scale(dataset: Dataset) -> int | None:
    value = read_integers(dataset, "MaximumFractionalValue")
    return value[0] if value and 0 < value[0] <= 65535 else None


def _described_segments(dataset: Dataset) -> dict[int, Dataset]:
    """Segment number, from 1, to its item of the Segment Sequence; 0 is the background."""
    found: dict[int, Dataset] = {}
    for item in read_sequence(dataset, "SegmentSequence")[: MAX_SEGMENTS + 1]:
        number = read_integers(item, "SegmentNumber")
        if number and number[0] > 0:
            found.setdefault(number[0], item)
    return found


def _frame_headers(
    dataset: Dataset, count: int, kind: SegmentKind, described: dict[int, Dataset]
) -> tuple[list[_FrameHeader], list[Refusal]]:
    shared = (read_sequence(dataset, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
    per_frame = read_sequence(dataset, "PerFrameFunctionalGroupsSequence")
    refusals = []
    if len(per_frame) != count:
        reason = f"{count} frames are announced, {len(per_frame)} are described"
        refusals.append(Refusal("1", reason))
    shared_parts = _Parts(shared)
    headers = []
    for number, groups in enumerate(per_frame[:count], start=1):
        header = _header(number, groups, shared_parts)
        if kind is SegmentKind.LABELMAP:
            if not described:
                refusals.append(Refusal("1", "no segment is described: what a pixel value means"))
                return [], refusals
        elif header.segment is None and len(described) != 1:
            refusals.append(Refusal(f"frame {number}", "the frame names no segment"))
            continue
        if header.image is None and None in (header.position, header.orientation, header.spacing):
            reason = (
                "neither an image nor position, orientation and spacing: the frame lies nowhere"
            )
            refusals.append(Refusal(f"frame {number}", reason))
            continue
        headers.append(header)
    return headers, refusals


class _Parts:
    """The functional groups of a SEG's frames that say where they lie (PS3.3 C.7.6.16)."""

    def __init__(self, groups: Dataset) -> None:
        self.segment = self.position = self.orientation = self.spacing = self.image = None
        for item in read_sequence(groups, "SegmentIdentificationSequence")[:1]:
            numbers = read_integers(item, "ReferencedSegmentNumber")
            self.segment = numbers[0] if numbers and numbers[0] > 0 else None
        for item in read_sequence(groups, "PlanePositionSequence")[:1]:
            self.position = _numbers(item, "ImagePositionPatient", 3)
        for item in read_sequence(groups, "PlaneOrientationSequence")[:1]:
            self.orientation = _numbers(item, "ImageOrientationPatient", 6)
        for item in read_sequence(groups, "PixelMeasuresSequence")[:1]:
            self.spacing = _numbers(item, "PixelSpacing", 2)
        for item in read_sequence(groups, "DerivationImageSequence")[:1]:
            sources = read_sequence(item, "SourceImageSequence")
            if len(sources) == 1:
                uid = read_uid(sources[0], "ReferencedSOPInstanceUID")
                frames = read_integers(sources[0], "ReferencedFrameNumber") or ()
                if uid is not None and len(frames) <= 1:
                    self.image = (uid, frames[0] if frames and frames[0] > 0 else None)


def _header(number: int, groups: Dataset, shared: _Parts) -> _FrameHeader:
    own = _Parts(groups)
    image, image_frame = own.image or shared.image or (None, None)
    return _FrameHeader(
        number=number,
        segment=own.segment or shared.segment,
        image=image,
        image_frame=image_frame,
        position=own.position or shared.position,
        orientation=own.orientation or shared.orientation,
        spacing=own.spacing or shared.spacing,
    )


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    values = read_numbers(dataset, keyword)
    return tuple(values.tolist()) if values is not None and values.size == count else None


def _frame(
    header: _FrameHeader, rows: int, columns: int, decode: Callable[[], npt.NDArray[np.float32]]
) -> SegmentFrame:
    return SegmentFrame(
        number=header.number,
        rows=rows,
        columns=columns,
        decode=decode,
        referenced_sop_instance_uid=header.image,
        referenced_frame=header.image_frame,
        position=header.position,
        orientation=header.orientation,
        pixel_spacing=header.spacing,
    )


def _decoder(
    dataset: Dataset,
    kind: SegmentKind,
    number: int,
    label: int,
    labels: dict[int, frozenset[int]],
) -> Callable[[], npt.NDArray[np.float32]]:
    """Decode a frame; `labels` gets those of each LABELMAP frame, which then is decoded for no
    other: a hundred segments share the frames, and few lie on one.
    """

    def decode() -> npt.NDArray[np.float32]:
        if label not in labels.get(number, (label,)):
            return np.zeros((int(dataset.Rows), int(dataset.Columns)), np.float32)
        stored = _stored(dataset, number)
        if kind is SegmentKind.LABELMAP:
            if number not in labels:
                labels[number] = frozenset(np.unique(stored).tolist())
            return (stored == label).astype(np.float32)
        full = _full_scale(dataset) if kind is SegmentKind.FRACTIONAL else 1
        return np.clip(stored / np.float32(full), 0, 1)

    return decode


def _stored(dataset: Dataset, number: int) -> npt.NDArray[np.generic]:
    pixels = read_attribute(dataset, "PixelData")
    if pixels is None:
        raise UndecodableFrame(f"frame {number}: the object was read without its pixels")
    try:
        if dataset.BitsAllocated == 1 and not _is_encapsulated(dataset):
            return _packed_bits(pixels, int(dataset.Rows) * int(dataset.Columns), number).reshape(
                int(dataset.Rows), int(dataset.Columns)
            )
        return pixel_array(dataset, index=number - 1, raw=True)
    except Exception as error:  # whatever a decoder raises on a broken frame
        raise UndecodableFrame(f"frame {number}: {type(error).__name__}") from error


def _is_encapsulated(dataset: Dataset) -> bool:
    meta = getattr(dataset, "file_meta", None)
    return meta is not None and UID(str(meta.TransferSyntaxUID)).is_compressed


def _packed_bits(pixels: bytes, size: int, number: int) -> npt.NDArray[np.uint8]:
    """One frame of one bit a pixel, lowest bit first (PS3.5 8.1.1).

    Frames follow each other without padding, so one may begin inside a byte; pydicom 3.0 reads
    such a frame wrongly.
    """
    start = (number - 1) * size
    first, last = start // 8, -(-(start + size) // 8)
    bits = np.unpackbits(np.frombuffer(pixels[first:last], np.uint8), bitorder="little")
    return bits[start - 8 * first :][:size]


def _segment(
    number: int,
    frames: list[SegmentFrame],
    kind: SegmentKind,
    source: str,
    space: str | None,
    description: Dataset | None,
) -> Segment:
    description = Dataset() if description is None else description
    return Segment(
        frames=tuple(frames),
        kind=kind,
        number=number,
        source_sop_instance_uid=source,
        item=f"segment {number}",
        frame_of_reference_uid=space,
        tracking_id=read_text(description, "TrackingID"),
        tracking_uid=read_uid(description, "TrackingUID"),
        finding=read_code(description, "SegmentedPropertyTypeCodeSequence"),
        site=read_code(description, "AnatomicRegionSequence"),
        category=read_code(description, "SegmentedPropertyCategoryCodeSequence"),
    )
