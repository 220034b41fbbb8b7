"""What an object refers to beside its source images: the marks' objects, and its own twins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from dicomnode.results.lesion_result import MarkSource

SOURCE_OF_MEASUREMENT = CodedConcept("121112", "DCM", "Source of Measurement")
"""CID 7003: the object that holds the mark."""

References = Literal["ct", "all"]
"""What an object names: the CT alone, or also the marks' objects and its own twins."""

ALTERNATE = CodedConcept("121326", "DCM", "Alternate SOP Class instance")
"""CID 7205: the same soft mask in another form."""


def reference_instances(
    made: Dataset, marks: Sequence[MarkSource], twins: Sequence[MarkSource] = ()
) -> None:
    """Name objects as related instances (PS3.3 C.12.4) and as referenced (C.12.2).

    Those of another study go to where objects of other studies are listed. An object that is
    already listed, or named twice, is listed once.

    Parameters
    ----------
    made : Dataset
        Is changed.
    marks : sequence of MarkSource
        The objects that held the mark.
    twins : sequence of MarkSource
        Objects made from the same soft mask.
    """
    named: dict[str, Dataset] = {}
    for sources, purpose in ((marks, SOURCE_OF_MEASUREMENT), (twins, ALTERNATE)):
        for source in sources:
            if source.sop_instance_uid in named:
                continue
            item = _sop_reference(source)
            item.PurposeOfReferenceCodeSequence = DicomSequence([purpose])
            named[source.sop_instance_uid] = item
            _list_series(made, source)
    if named:
        made.ReferencedInstanceSequence = DicomSequence(
            [*made.get("ReferencedInstanceSequence", ()), *named.values()]
        )


def _list_series(made: Dataset, source: MarkSource) -> None:
    """List a source in the Common Instance Reference Module."""
    place = made
    if source.study_instance_uid != made.StudyInstanceUID:
        place = _item(
            made,
            "StudiesContainingOtherReferencedInstancesSequence",
            "StudyInstanceUID",
            source.study_instance_uid,
        )
    series = _item(
        place, "ReferencedSeriesSequence", "SeriesInstanceUID", source.series_instance_uid
    )
    listed = series.setdefault("ReferencedInstanceSequence", DicomSequence()).value
    if all(item.ReferencedSOPInstanceUID != source.sop_instance_uid for item in listed):
        listed.append(_sop_reference(source))


def _item(parent: Dataset, sequence: str, keyword: str, uid: str) -> Dataset:
    """The item of a sequence with this UID, made where there is none."""
    if sequence not in parent:
        setattr(parent, sequence, DicomSequence())
    items = parent[sequence].value
    for item in items:
        if item.get(keyword) == uid:
            return item
    item = Dataset()
    setattr(item, keyword, uid)
    items.append(item)
    return item


def _sop_reference(source: MarkSource) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.sop_class_uid
    reference.ReferencedSOPInstanceUID = source.sop_instance_uid
    return reference
