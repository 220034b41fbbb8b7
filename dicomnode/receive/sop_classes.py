"""What the node accepts: SOP classes, and the transfer syntaxes of each.

That is CT, and all that `dicomnode.marks` has a reader for.
"""

from __future__ import annotations

from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.marks.read_marks import READERS

VERIFICATION = "1.2.840.10008.1.1"

IMPLICIT_VR_LE = "1.2.840.10008.1.2"
EXPLICIT_VR_LE = "1.2.840.10008.1.2.1"

# Ours to choose where a peer offers several for one context: the first of these wins.
UNCOMPRESSED = (EXPLICIT_VR_LE, IMPLICIT_VR_LE)
LOSSLESS = tuple(
    str(uid)
    for uid in (JPEGLSLossless, JPEGLosslessSV1, JPEGLossless, JPEG2000Lossless, RLELossless)
)

_STORAGE = "1.2.840.10008.5.1.4.1.1."
CT_CLASSES = frozenset(
    _STORAGE + end
    for end in (
        "2",  # CT Image
        "2.1",  # Enhanced CT Image
        "2.2",  # Legacy Converted Enhanced CT Image
    )
)
SEGMENTATION_CLASSES = frozenset(
    _STORAGE + end
    for end in (
        "66.4",  # Segmentation
        "66.7",  # Label Map Segmentation
    )
)
IMAGE_CLASSES = CT_CLASSES | SEGMENTATION_CLASSES
OBJECT_CLASSES = frozenset(READERS) - IMAGE_CLASSES
STORAGE_CLASSES = IMAGE_CLASSES | OBJECT_CLASSES


def transfer_syntaxes(sop_class_uid: str) -> tuple[str, ...]:
    """Return the transfer syntaxes accepted for a SOP class, the preferred one first."""
    return UNCOMPRESSED + LOSSLESS if sop_class_uid in IMAGE_CLASSES else UNCOMPRESSED
