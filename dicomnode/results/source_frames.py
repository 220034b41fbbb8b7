"""References from a result to the frames of the enhanced CT that it was made on.

highdicom takes one whole multi-frame image as a source, or single-frame images. A lesion may lie
on some frames of an image of thousands, or on those of several images (a concatenation). So each
frame stands in as a single-frame image with a UID of its own while a result is made, and is then
named as what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage

from dicomnode.results.uids import derive_uid


@dataclass(frozen=True)
class SourceFrame:
    """A frame of an enhanced CT.

    Attributes
    ----------
    sop_class_uid, sop_instance_uid : str
        Of the object that holds it.
    number : int
        From 1.
    """

    sop_class_uid: str
    sop_instance_uid: str
    number: int


@dataclass(frozen=True)
class StandIns:
    """Which frame each stand-in stands for.

    Attributes
    ----------
    frames : mapping of str to SourceFrame
        By the SOP Instance UID of the stand-in; empty where all sources are single-frame images.
    """

    frames: Mapping[str, SourceFrame] = field(default_factory=dict)

    def named_as(self, header: Dataset) -> tuple[str, int]:
        """SOP Instance UID and frame number by which others name a slice.

        Parameters
        ----------
        header : Dataset
            Of a stand-in or of a single-frame image, which is frame 1 of itself.
        """
        own = str(header.SOPInstanceUID)
        frame = self.frames.get(own)
        return (own, 1) if frame is None else (frame.sop_instance_uid, frame.number)


def stand_in(
    headers: Sequence[Dataset], numbers: Sequence[int | None]
) -> tuple[list[Dataset], StandIns]:
    """Let frames stand in as single-frame images.

    Parameters
    ----------
    headers : sequence of Dataset
        Of slices. Of a frame it is that which a single-frame CT would have
        (`dicomnode.frames.frame_headers`), with the UIDs of the object that holds it.
    numbers : sequence of int or None
        Frame number of each, from 1; None for a single-frame image.

    Returns
    -------
    headers : list of Dataset
        Those of frames are copies, with the SOP Class of single-frame CT and UIDs of their own.
    stand_ins : StandIns
    """
    shown, frames = [], {}
    for header, number in zip(headers, numbers, strict=True):
        if number is not None:
            frame = SourceFrame(str(header.SOPClassUID), str(header.SOPInstanceUID), number)
            uid = derive_uid("frame", frame.sop_instance_uid, number)
            frames[uid] = frame
            changed = Dataset()
            changed.update(header)
            # New elements: setting the values of those that are there would change the original.
            changed.add_new("SOPClassUID", "UI", CTImageStorage)
            changed.add_new("SOPInstanceUID", "UI", uid)
            header = changed
        shown.append(header)
    return shown, StandIns(frames)


def name_frames(made: Dataset, *stand_ins: StandIns) -> None:
    """Name the frames wherever an object names stand-ins.

    One item for each image, with Referenced Frame Number (PS3.3 10.3), also where these are all
    of its frames: readers take an image without a number for its first frame. Where the instances
    of a series are listed (PS3.3 C.12.2 and C.17.2.1) items have no frames.

    Parameters
    ----------
    made : Dataset
        Is changed.
    *stand_ins : StandIns
        Of all lesions that it holds.
    """
    meant = {uid: frame for one in stand_ins for uid, frame in one.frames.items()}
    if meant:
        _name(made, meant)


def _name(parent: Dataset, meant: Mapping[str, SourceFrame]) -> None:
    for tag in tuple(parent.keys()):
        if parent.get_item(tag).VR != "SQ":  # not decoded: contours may be of many points
            continue
        element = parent[tag]
        for item in element.value:
            _name(item, meant)
        if any(item.get("ReferencedSOPInstanceUID") in meant for item in element.value):
            listed = element.keyword in _LISTS and "SeriesInstanceUID" in parent
            element.value = DicomSequence(_by_image(element.value, meant, with_frames=not listed))


_LISTS = frozenset({"ReferencedInstanceSequence", "ReferencedSOPSequence"})
"""Of the instances of a series, in an item that names the series."""


def _by_image(
    items: Sequence[Dataset], meant: Mapping[str, SourceFrame], *, with_frames: bool
) -> Iterator[Dataset]:
    """One item for each image, that of its first frame, with the numbers of all."""
    of_image: dict[str, tuple[Dataset, set[int]]] = {}
    for item in items:
        frame = meant.get(str(item.ReferencedSOPInstanceUID))
        uid = item.ReferencedSOPInstanceUID if frame is None else frame.sop_instance_uid
        if uid not in of_image:
            named = Dataset()  # highdicom puts one item into several sequences
            named.update(item)
            if frame is not None:
                named.add_new("ReferencedSOPClassUID", "UI", frame.sop_class_uid)
                named.add_new("ReferencedSOPInstanceUID", "UI", frame.sop_instance_uid)
            of_image[uid] = named, set()
        if frame is not None:
            of_image[uid][1].add(frame.number)
    for named, numbers in of_image.values():
        if with_frames and numbers:
            named.add_new("ReferencedFrameNumber", "IS", sorted(numbers))
        yield named
