"""Results as DICOM objects: what the node sends back to the PACS."""

from dicomnode.results.fractional_seg import FractionalSegSettings, fractional_seg
from dicomnode.results.ladder import LADDER, Rung
from dicomnode.results.lesion_result import Equipment, LesionResult, MarkSource, ResultUids
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_slices import UnusableGeometry
from dicomnode.results.transcode import to_explicit_le
from dicomnode.results.uids import derive_uid
from dicomnode.results.whole_frames import EmptyMask

__all__ = [
    "LADDER",
    "EmptyMask",
    "Equipment",
    "FractionalSegSettings",
    "LesionResult",
    "MarkSource",
    "ResultUids",
    "Rung",
    "SeriesNumbers",
    "UnusableGeometry",
    "derive_uid",
    "fractional_seg",
    "to_explicit_le",
]
