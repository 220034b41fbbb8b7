"""What all structured reports of the node have in common: who made them, of what, and for what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.lesion_result import Equipment, LesionResult, MarkSource, ResultUids
from dicomnode.results.report_codes import declare_scheme
from dicomnode.results.research_notice import NOTICE
from dicomnode.results.source_slices import copy_patient_and_study, source_headers
from dicomnode.results.uids import derive_uid

_OF_PATIENT_AND_STUDY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
"""Attributes that highdicom wants of the first evidence; `complete_document` brings them in."""


def observer_context(equipment: Equipment) -> hd.sr.ObserverContext:
    """The software as observer (PS3.16 TID 1004); nobody has looked at what it says."""
    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=derive_uid("device", equipment.model_name, equipment.serial_number),
            name=equipment.model_name,
            manufacturer_name=equipment.manufacturer,
            model_name=equipment.model_name,
            serial_number=equipment.serial_number,
        ),
    )


def covered_slices(results: Sequence[LesionResult]) -> list[Dataset]:
    """Slices of all lesions together, each once, in the order of their stacks.

    A series of enhanced CT may hold several stacks, and a lesion lies on one of them.
    """
    found: dict[str, tuple[int, Dataset]] = {}
    for result in results:
        first = result.mask.offset[0]
        for index in range(first, first + result.mask.alpha.array.shape[0]):
            header = result.slices[index]
            found.setdefault(str(header.SOPInstanceUID), (index, header))
    return [header for _, header in sorted(found.values(), key=lambda place: place[0])]


def evidence(slices: Iterable[Dataset], others: Iterable[MarkSource]) -> list[Dataset]:
    """Headers of all that a document refers to, for highdicom, without anybody's name in them.

    Parameters
    ----------
    slices : iterable of Dataset
        CT slices. The first evidence decides the study of the document.
    others : iterable of MarkSource
        Marks' objects and results.

    Raises
    ------
    dicomnode.results.UnusableGeometry
        If an attribute of a slice's geometry or identity is missing.
    """
    return [*source_headers(list(slices)), *map(reference_header, others)]


def reference_header(source: MarkSource) -> Dataset:
    """What highdicom reads of an object that a document refers to, or inherits from."""
    header = Dataset()
    header.SOPClassUID = source.sop_class_uid
    header.SOPInstanceUID = source.sop_instance_uid
    header.StudyInstanceUID = source.study_instance_uid
    header.SeriesInstanceUID = source.series_instance_uid
    for keyword in _OF_PATIENT_AND_STUDY:
        setattr(header, keyword, None)
    return header


def complete_document(document: hd.SOPClass, source: Dataset, description: str) -> None:
    """Bring in patient and study of a source object, and say what the document is.

    Content Date and Time stay the moment of making (PS3.3 C.17.2: when the content was made).
    """
    copy_patient_and_study(source, document)
    document.SeriesDescription = description[:64]
    if "CompletionFlag" in document:
        document.CompletionFlagDescription = NOTICE


def comprehensive_document(
    content: Dataset,
    about: Sequence[MarkSource],
    predecessors: Sequence[MarkSource],
    source: Dataset,
    uids: ResultUids,
    series_number: int,
    series_description: str,
    equipment: Equipment,
) -> Dataset:
    """Make a Comprehensive SR (PS3.3 A.35.3) on stored objects, which takes the place of others.

    Parameters
    ----------
    content : Dataset
        Its root.
    about : sequence of MarkSource
        The objects that it refers to; not empty.
    predecessors : sequence of MarkSource
        Documents that it takes the place of.
    source : Dataset
        Patient and study are this one's.
    uids : ResultUids
    series_number : int
    series_description : str
    equipment : Equipment
    """
    document = hd.sr.ComprehensiveSR(
        evidence=[reference_header(one) for one in about],
        content=content,
        series_instance_uid=uids.series_instance_uid,
        series_number=series_number,
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=1,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        is_complete=True,
        previous_versions=[reference_header(one) for one in predecessors] or None,
        contributing_equipment=[contributing_equipment(equipment)],
        specific_character_set="ISO_IR 192",
    )
    complete_document(document, source, series_description)
    declare_scheme(document)
    return document
