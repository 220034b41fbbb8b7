"""What the node may send: SOP classes of results, and the transfer syntaxes that they may go in."""

from __future__ import annotations

from pydicom.uid import (
    UID,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    KeyObjectSelectionDocumentStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    ParametricMapStorage,
    RLELossless,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

LabelMapSegmentationStorage = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Of DICOM 2024d; pydicom does not know its name yet."""

_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_WITH_PIXELS = (*_UNCOMPRESSED, JPEGLSLossless, JPEG2000Lossless, RLELossless)

RESULT_CLASSES: dict[UID, tuple[UID, ...]] = {
    SegmentationStorage: _WITH_PIXELS,
    LabelMapSegmentationStorage: _WITH_PIXELS,
    SecondaryCaptureImageStorage: _WITH_PIXELS,
    MultiFrameTrueColorSecondaryCaptureImageStorage: _WITH_PIXELS,
    # Float pixel data has no compressed form (PS3.5 8.2).
    ParametricMapStorage: _UNCOMPRESSED,
    Comprehensive3DSRStorage: _UNCOMPRESSED,
    ComprehensiveSRStorage: _UNCOMPRESSED,
    EnhancedSRStorage: _UNCOMPRESSED,
    BasicTextSRStorage: _UNCOMPRESSED,
    GrayscaleSoftcopyPresentationStateStorage: _UNCOMPRESSED,
    RTStructureSetStorage: _UNCOMPRESSED,
    KeyObjectSelectionDocumentStorage: _UNCOMPRESSED,
}
"""Transfer syntaxes to propose, by SOP class."""


def class_name(sop_class_uid: str) -> str:
    """Name of a SOP class."""
    if sop_class_uid == LabelMapSegmentationStorage:
        return "Label Map Segmentation Storage"
    return UID(sop_class_uid).name
