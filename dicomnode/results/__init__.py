"""Results as DICOM objects: what the node sends back to the PACS."""

from dicomnode.results.fractional_seg import (
    EmptyMask,
    Equipment,
    MarkSource,
    ResultUids,
    SegSettings,
    fractional_seg,
    result_uids,
)
from dicomnode.results.source_slices import UnusableGeometry
from dicomnode.results.transcode import to_explicit_le
from dicomnode.results.uids import derive_uid

__all__ = [
    "EmptyMask",
    "Equipment",
    "MarkSource",
    "ResultUids",
    "SegSettings",
    "UnusableGeometry",
    "derive_uid",
    "fractional_seg",
    "result_uids",
    "to_explicit_le",
]
