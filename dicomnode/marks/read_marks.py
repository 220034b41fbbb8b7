"""Read the marks of any object, by its SOP class.

A new form of mark is one file with one reader and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_uid
from dicomnode.marks.chest_cad import read_chest_cad
from dicomnode.marks.encoded_item import TooManyElements
from dicomnode.marks.gsps import read_gsps
from dicomnode.marks.key_object import read_key_object
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.rtstruct import read_rtstruct
from dicomnode.marks.seg import read_seg
from dicomnode.marks.tid1500 import NO_MEASUREMENT_GROUP, read_tid1500


def read_structured_report(dataset: Dataset) -> MarkReading:
    """Read a report's measurement groups or, where it has none, whatever holds coordinates."""
    reading = read_tid1500(dataset)
    if reading.refusals[:1] == (NO_MEASUREMENT_GROUP,):
        return read_chest_cad(dataset)
    return reading


READERS: dict[str, Callable[[Dataset], MarkReading]] = {
    "1.2.840.10008.5.1.4.1.1.88.11": read_structured_report,  # Basic Text SR
    "1.2.840.10008.5.1.4.1.1.88.22": read_structured_report,  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33": read_structured_report,  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34": read_structured_report,  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.88.35": read_structured_report,  # Extensible SR
    "1.2.840.10008.5.1.4.1.1.88.50": read_structured_report,  # Mammography CAD SR
    "1.2.840.10008.5.1.4.1.1.88.65": read_structured_report,  # Chest CAD SR
    "1.2.840.10008.5.1.4.1.1.88.69": read_structured_report,  # Colon CAD SR
    "1.2.840.10008.5.1.4.1.1.88.59": read_key_object,  # Key Object Selection
    "1.2.840.10008.5.1.4.1.1.11.1": read_gsps,  # Grayscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.11.2": read_gsps,  # Color Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.11.3": read_gsps,  # Pseudo-Color Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.11.5": read_gsps,  # XA/XRF Grayscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.11.12": read_gsps,  # Variable Modality LUT Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.481.3": read_rtstruct,  # RT Structure Set
    "1.2.840.10008.5.1.4.1.1.66.4": read_seg,  # Segmentation
    "1.2.840.10008.5.1.4.1.1.66.7": read_seg,  # Label Map Segmentation
}
"""SOP Class UID to the reader of its marks."""


def read_marks(dataset: Dataset) -> MarkReading:
    """Read all marks of one object.

    Parameters
    ----------
    dataset : Dataset
        Of any SOP class. It may break the standard, and may be without its pixel data.

    Returns
    -------
    MarkReading
        One refusal where its SOP class has no reader.
    """
    sop_class_uid = read_uid(dataset, "SOPClassUID")
    if sop_class_uid is None:
        return MarkReading(refusals=(Refusal("1", "the object has no readable SOP Class UID"),))
    reader = READERS.get(sop_class_uid)
    if reader is None:
        reason = f"no reader yet for marks of SOP class {sop_class_uid}"
        return MarkReading(refusals=(Refusal("1", reason),))
    try:
        return reader(dataset)
    except TooManyElements as problem:
        # Half a lesion would look like a whole one.
        return MarkReading(refusals=(Refusal("1", f"not read: {problem}"),))
