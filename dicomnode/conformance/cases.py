"""What the specimens are made of: cases that differ in all that an object could take over.

What is the same in objects of all of them is what the node itself says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.uid import CTImageStorage

from dicomnode.conformance.iod_modules import modules_of
from dicomnode.marks.recist_mark import Code

_COPIED = ("Patient", "Clinical Trial Subject", "General Study", "Patient Study")
"""Modules that describe whom the images are of, of which an object could copy anything."""

_PLAIN = {
    "AS": "0{}0Y",
    "CS": "CS{}",
    "DA": "2020010{}",
    "DS": "{}.5",
    "IS": "{}",
    "LO": "LO {}",
    "LT": "LT {}",
    "PN": "NAME^{}",
    "SH": "SH {}",
    "ST": "ST {}",
    "TM": "10111{}",
    "UT": "UT {}",
}
"""A value of each VR that is simply text, with a number in it."""


def _everything(number: int) -> dict[str, Any]:
    """All that a CT could say of patient and study in plain text."""
    return {
        keyword: _PLAIN[vr].format(number)
        for module in modules_of(CTImageStorage)
        if module.name in _COPIED
        for keyword in module.types
        if (vr := dictionary_VR(keyword)) in _PLAIN
    }


_FULL: dict[str, Any] = {
    **_everything(1),
    "PatientName": "SPECIMEN^FIRST",
    "PatientID": "SPECIMEN-1",
    "PatientBirthDate": "19500101",
    "PatientSex": "F",
    "PatientAge": "070Y",
    "StudyDate": "20200102",
    "StudyTime": "101112",
    "StudyID": "11",
    "AccessionNumber": "A-1",
    "ReferringPhysicianName": "REFERRING^FIRST",
    "PositionReferenceIndicator": "SN",
}
_OTHER: dict[str, Any] = {
    **_everything(2),
    "BodyPartExamined": "LIVER",
    "LossyImageCompression": "01",
    "LossyImageCompressionRatio": "10",
    "LossyImageCompressionMethod": "ISO_10918_1",
    "RescaleIntercept": "-1024",
    "RescaleSlope": "2",
    "Laterality": "L",
    "PositionReferenceIndicator": "XY",
    "PatientBirthDate": "19600203",
    "PatientSex": "M",
    "PatientAge": "060Y",
    "StudyDate": "20210304",
    "StudyTime": "131415",
}
_BARE: dict[str, Any] = {
    "PatientID": "",
    "StudyDate": "",
    "StudyTime": "",
    "PatientName": "",
    "PatientBirthDate": "",
    "PatientSex": "",
    "StudyID": "",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "StudyDescription": None,
    "BodyPartExamined": None,
    "PositionReferenceIndicator": "",
}


@dataclass(frozen=True)
class Case:
    """What a set of specimens is made of.

    Attributes
    ----------
    seed : str
        Of all UIDs.
    said : mapping
        Attributes of the CT, by keyword; None takes one away.
    shape : tuple of int
        Slices, rows, columns of the CT.
    spacing_mm : tuple of float
    mark : mapping
        What the mark says of the lesion: tracking, finding, site.
    version : str
        Of the software.
    number : int
        Of the lesion.
    quantity : str
        What alpha stands for.
    method : str
        That made the soft mask.
    directions : tuple of tuple of float
        Of slices, rows and columns in LPS.
    series_number : int
        First of the numbers of result series.
    """

    seed: str
    said: Mapping[str, Any]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    mark: Mapping[str, Any]
    version: str
    number: int = 1
    quantity: str = "occupancy"
    method: str = "occupancy"
    directions: tuple[tuple[float, float, float], ...] = ((0, 0, 1), (0, 1, 0), (1, 0, 0))
    series_number: int = 7300


FULL = Case(
    "conformance 1",
    _FULL,
    (6, 33, 41),
    (2.0, 0.7, 0.7),
    {
        "tracking_id": "T1",
        "tracking_uid": "1.2.7.1",
        "finding": Code("27925004", "SCT", "Nodule"),
        "site": Code("39607008", "SCT", "Lung"),
    },
    "1",
)
OTHER = Case(
    "conformance 2",
    _OTHER,
    (7, 36, 30),
    (3.0, 0.6, 0.8),
    {
        "tracking_id": "T2",
        "tracking_uid": "1.2.7.2",
        "finding": Code("4147007", "SCT", "Mass"),
        "site": Code("10200004", "SCT", "Liver"),
    },
    "2",
    number=2,
    method="closed_form",
    directions=((1, 0, 0), (0, 0, -1), (0, 1, 0)),
)
BARE = Case("conformance 3", _BARE, (6, 33, 41), (2.0, 0.6, 0.8), {}, "3")
WEIGHTED = replace(FULL, quantity="density-weighted")
RENUMBERED = replace(FULL, series_number=9100)


CASES = {
    "full": FULL,
    "other": OTHER,
    "bare": BARE,
    "weighted": WEIGHTED,
    "renumbered": RENUMBERED,
}
