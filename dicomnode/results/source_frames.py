"""References from a result to the frames of the enhanced CT that it was made on.

highdicom takes one whole multi-frame image as a source, or single-frame images. A lesion may lie
on some frames of an image of thousands, or on those of several images (a concatenation). So each
frame stands in as a single-frame image while the result is made, and is then named as what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage

from dicomnode.results.uids import derive_uid


class StandIns:
    """Frames that stand in as single-frame images.

    Parameters
    ----------
    headers : sequence of Dataset
        Copies of the sources' headers. Those of frames are given the SOP Class of single-frame CT
        and a UID of their own.
    frames : sequence of int or None, optional
        Frame number of each, from 1; None for a single-frame image.
    """

    def __init__(
        self, headers: Sequence[Dataset], frames: Sequence[int | None] | None = None
    ) -> None:
        self._meant: dict[str, tuple[str, str, int]] = {}
        for header, frame in zip(headers, frames or [None] * len(headers), strict=True):
            if frame is not None:
                uid = derive_uid("frame", header.SOPInstanceUID, frame)
                self._meant[uid] = (header.SOPClassUID, header.SOPInstanceUID, frame)
                header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, uid

    def replace_in(self, seg: Dataset) -> None:
        """Name the frames where stand-ins are named.

        In the Source Image Sequence of each frame's derivation (PS3.3 C.7.6.16.2.6) and of the
        object (C.12.4) with Referenced Frame Number, and in the Referenced Series Sequence
        (C.12.2) by the images alone.
        """
        if not self._meant:
            return
        for group in seg.PerFrameFunctionalGroupsSequence:
            for derivation in group.DerivationImageSequence:
                for item in derivation.SourceImageSequence:
                    self._name(item)
        seg.SourceImageSequence = self._images(seg.SourceImageSequence, with_frames=True)
        for series in seg.ReferencedSeriesSequence:
            series.ReferencedInstanceSequence = self._images(
                series.ReferencedInstanceSequence, with_frames=False
            )

    def _name(self, item: Dataset) -> None:
        meant = self._meant.get(item.ReferencedSOPInstanceUID)
        if meant is not None:
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = meant[:2]
            item.ReferencedFrameNumber = meant[2]

    def _images(self, items: Sequence[Dataset], *, with_frames: bool) -> DicomSequence:
        """One item for each image, with all its frames."""
        frames: dict[tuple[str, str], list[int]] = {}
        for item in items:
            stands_for = (item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID, None)
            sop_class, uid, frame = self._meant.get(item.ReferencedSOPInstanceUID, stands_for)
            of_image = frames.setdefault((sop_class, uid), [])
            if frame is not None:
                of_image.append(frame)
        made = DicomSequence()
        for (sop_class, uid), numbers in frames.items():
            reference = Dataset()
            reference.ReferencedSOPClassUID = sop_class
            reference.ReferencedSOPInstanceUID = uid
            if with_frames and numbers:
                reference.ReferencedFrameNumber = sorted(numbers)
            made.append(reference)
        return made
