"""Coded concepts of the reports, public ones wherever there is one."""

from __future__ import annotations

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from dicomnode.results.uids import derive_uid

SCHEME = "99SOFTMASK"
"""Private scheme, for what PS3.16 and SNOMED CT have no code for (PS3.16 8.2)."""

LONG_AXIS = CodedConcept("103339001", "SCT", "Long Axis")
SHORT_AXIS = CodedConcept("103340004", "SCT", "Short Axis")
"""CID 7470. The meanings are spelled as OHIF compares them."""

MAXIMUM_3D_DIAMETER = CodedConcept("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh")
"""CID 7470."""

VOLUME = CodedConcept("118565006", "SCT", "Volume")
VOXEL_VOLUME = CodedConcept("YEKZ", "IBSI", "Volume from Voxel Summation")
"""CID 7472."""

ATTENUATION = CodedConcept("112031", "DCM", "Attenuation Coefficient")
MEAN = CodedConcept("373098007", "SCT", "Mean")
"""CID 7464."""

MASS = CodedConcept("118538004", "SCT", "Mass")

RECIST_1_1 = CodedConcept("126081", "DCM", "RECIST 1.1")
"""CID 6147, the measurement method of TID 1410."""

COMMENT = CodedConcept("121106", "DCM", "Comment")
LESION = CodedConcept("52988006", "SCT", "Lesion")
MORPHOLOGICALLY_ALTERED = CodedConcept("49755003", "SCT", "Morphologically Altered Structure")

MILLIMETRE = CodedConcept("mm", "UCUM", "mm")
MILLILITRE = CodedConcept("ml", "UCUM", "ml")
MILLIGRAM = CodedConcept("mg", "UCUM", "mg")
HOUNSFIELD = CodedConcept("[hnsf'U]", "UCUM", "Hounsfield unit")

SUM_OF_MASK = CodedConcept("1001", SCHEME, "Sum of the soft mask")
"""Measurement method of the soft volume."""

HALF_OF_MASK = CodedConcept("1002", SCHEME, "Voxels with soft mask >= 0.5")
"""Measurement method."""

CORE_VOLUME = CodedConcept("1003", SCHEME, "Volume where soft mask >= 0.75")
OUTER_VOLUME = CodedConcept("1004", SCHEME, "Volume where soft mask >= 0.25")
BAND_WIDTH = CodedConcept("1005", SCHEME, "Width of edge, soft mask 0.25 to 0.75")
MARKED_LONG_AXIS = CodedConcept("1006", SCHEME, "Long axis as marked by reader")
MARKED_SHORT_AXIS = CodedConcept("1007", SCHEME, "Short axis as marked by reader")
LONG_AXIS_DIFFERENCE = CodedConcept("1008", SCHEME, "Long axis, computed minus marked")
SHORT_AXIS_DIFFERENCE = CodedConcept("1009", SCHEME, "Short axis, computed minus marked")
NOT_PROCESSED = CodedConcept("1011", SCHEME, "Marks not processed")
REASON = CodedConcept("1012", SCHEME, "Not processed, because")
ITEM = CodedConcept("1013", SCHEME, "Item of the object")
ASSESSMENT = CodedConcept("1014", SCHEME, "Assessment of a soft mask")
JUDGED_RESULT = CodedConcept("1015", SCHEME, "Result that was judged")
VERDICT = CodedConcept("1016", SCHEME, "Verdict")
ACCEPTED = CodedConcept("1017", SCHEME, "Accepted")
ACCEPTED_AS_MENDED = CodedConcept("1018", SCHEME, "Accepted as mended")
REJECTED = CodedConcept("1019", SCHEME, "Rejected")
REJECTED_BECAUSE = CodedConcept("1020", SCHEME, "Rejected, because")
JUDGED_AT = CodedConcept("1021", SCHEME, "Judged at")
REASONS = {
    reason: str(1022 + place)
    for place, reason in enumerate(
        (
            "no-lesion",
            "wrong-place",
            "too-large",
            "too-small",
            "wrong-edge",
            "poor-images",
            "other",
        )
    )
}
"""Code values of why a soft mask was rejected, by `dicomnode.store.verdicts.REASONS`."""


def declare_scheme(document: Dataset) -> None:
    """Name the private scheme where its codes are used (PS3.3 C.12.1, 0008,0110)."""
    item = Dataset()
    item.CodingSchemeDesignator = SCHEME
    item.CodingSchemeUID = derive_uid("coding scheme", SCHEME)
    item.CodingSchemeName = "Measurements of soft masks"
    item.CodingSchemeResponsibleOrganization = "softmask-node"
    document.CodingSchemeIdentificationSequence = DicomSequence([item])
