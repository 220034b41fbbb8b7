"""What part of the body the frames of a multi-frame object show (PS3.3 C.7.6.16.2.8)."""

from __future__ import annotations

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

_BODY_STRUCTURE = CodedConcept("123037004", "SCT", "Body structure")


def add_frame_anatomy(source: Dataset, made: Dataset) -> None:
    """Say of all frames that they show the body: whole slices, whatever the side of the lesion.

    Optional in a Parametric Map, but dcmqi 1.5, and with it 3D Slicer, crashes where it is missing.
    Body Part Examined is that of the CT; Laterality may not stand beside that of the frames
    (PS3.3 C.7.3.1).

    Parameters
    ----------
    source : Dataset
        A slice of the CT.
    made : Dataset
        With shared functional groups; is changed.
    """
    if source.get("BodyPartExamined"):
        made.BodyPartExamined = source.BodyPartExamined
    anatomy = Dataset()
    anatomy.FrameLaterality = "U"
    anatomy.AnatomicRegionSequence = DicomSequence([_BODY_STRUCTURE])
    made.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = DicomSequence([anatomy])
