"""Whether two CT series are reconstructions of one acquisition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pydicom
from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_attribute, read_integers, read_uid
from dicomnode.marks.authorship import moment_of

SAME_MOMENT_S = 2.0
"""Slices at one place whose acquisition times differ by no more are of one acquisition.

Scanners write the time of each slice, or of the start. Slices of other thickness lie up to a slice
aside, which a table passes in less. Contrast phases are ten seconds apart or more. Time points of
a perfusion study may be nearer, and have other acquisition numbers.
"""

_TAGS = [
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "IrradiationEventUID",
    "AcquisitionUID",
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "TimezoneOffsetFromUTC",
]


@dataclass(frozen=True)
class Acquisition:
    """What one slice says of the acquisition that it was reconstructed from.

    Attributes
    ----------
    study_instance_uid, frame_of_reference_uid : str or None
    events : frozenset of str
        Irradiation Event UIDs (0008,3010).
    uid : str or None
        Acquisition UID (0008,0017).
    number : int or None
        Acquisition Number (0020,0012).
    moment : float or None
        Acquisition DateTime, or Date and Time, in seconds since 1970.
    """

    study_instance_uid: str | None
    frame_of_reference_uid: str | None
    events: frozenset[str] = frozenset()
    uid: str | None = None
    number: int | None = None
    moment: float | None = None


@lru_cache(maxsize=4096)  # a stored file never changes
def acquisition_of_file(path: str) -> Acquisition:
    """What a stored slice says; as `acquisition_of`.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    return acquisition_of(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS))


def acquisition_of(dataset: Dataset) -> Acquisition:
    """What the attributes of an image say; what cannot be read counts as absent."""
    events = read_attribute(dataset, "IrradiationEventUID")
    events = [events] if isinstance(events, str) else list(events or ())
    numbers = read_integers(dataset, "AcquisitionNumber") or ()
    moment = moment_of(dataset, "AcquisitionDateTime")
    if moment is None:
        moment = moment_of(dataset, "AcquisitionDate", "AcquisitionTime")
    return Acquisition(
        study_instance_uid=read_uid(dataset, "StudyInstanceUID"),
        frame_of_reference_uid=read_uid(dataset, "FrameOfReferenceUID"),
        events=frozenset(map(str, events)),
        uid=read_uid(dataset, "AcquisitionUID"),
        number=numbers[0] if numbers else None,
        moment=moment,
    )


def is_same_acquisition(one: Acquisition, other: Acquisition) -> bool:
    """Whether two slices near one place are reconstructions of one acquisition.

    They are of one study and one frame of reference, and the first of these that both have is the
    same: irradiation event, acquisition UID, acquisition time (with the number, where both have
    one). Where they have none of these in common nothing tells a reconstruction from another
    contrast phase, and they count as two.

    Parameters
    ----------
    one, other : Acquisition
        Of slices that lie next to each other: scanners may write the time of each slice.
    """
    if None in (one.study_instance_uid, one.frame_of_reference_uid):
        return False
    if one.study_instance_uid != other.study_instance_uid:
        return False
    if one.frame_of_reference_uid != other.frame_of_reference_uid:
        return False
    if one.events and other.events:
        return bool(one.events & other.events)
    if None not in (one.uid, other.uid):
        return one.uid == other.uid
    if None in (one.moment, other.moment):
        return False
    if None not in (one.number, other.number) and one.number != other.number:
        return False
    return abs(one.moment - other.moment) <= SAME_MOMENT_S
