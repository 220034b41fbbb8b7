"""The coded concepts by which marks are recognised: by value and scheme, never by meaning.

Meanings are spelled as each writer likes ("Long Axis", "Long axis"), and one concept goes by
several codes: SNOMED RT was replaced by SNOMED CT in 2017 (PS3.16 8.1.1), and both are in archives.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.marks.recist_mark import Code

_SCHEME_SYNONYMS = {
    "SNM3": "SRT",
    "99SDM": "SRT",
    "2.16.840.1.113883.6.96": "SCT",
    "1.2.840.10008.2.16.4": "DCM",
    "2.16.840.1.113883.6.8": "UCUM",
}
"""Older designators and UIDs of the same schemes (PS3.16 table 8-1)."""

PUBLIC_SCHEMES = frozenset({"SCT", "SRT", "DCM", "NCIt", "UMLS", "FMA", "RADLEX"})
"""Schemes whose codes any reader can look up; a private code can mean, and hold, anything."""


@dataclass(frozen=True)
class Concept:
    """One meaning and all the (value, scheme) pairs that stand for it."""

    name: str
    codes: frozenset[tuple[str, str]]

    def covers(self, code: Code | None) -> bool:
        """Whether `code` stands for this concept."""
        if code is None:
            return False
        return (code.value, _SCHEME_SYNONYMS.get(code.scheme, code.scheme)) in self.codes


def _concept(name: str, *codes: tuple[str, str]) -> Concept:
    return Concept(name, frozenset(codes))


MEASUREMENT_GROUP = _concept("Measurement Group", ("125007", "DCM"))
TRACKING_IDENTIFIER = _concept("Tracking Identifier", ("112039", "DCM"))
TRACKING_UNIQUE_IDENTIFIER = _concept("Tracking Unique Identifier", ("112040", "DCM"))
FINDING = _concept("Finding", ("121071", "DCM"))
FINDING_SITE = _concept("Finding Site", ("363698007", "SCT"), ("G-C0E3", "SRT"))

LONG_AXIS = _concept("Long Axis", ("103339001", "SCT"), ("G-A185", "SRT"), ("G-A185", "DCM"))
SHORT_AXIS = _concept("Short Axis", ("103340004", "SCT"), ("G-A186", "SRT"), ("G-A186", "DCM"))

LINEAR_MEASUREMENTS = _concept(
    "Linear measurement along a straight line",  # of CID 7470
    *LONG_AXIS.codes,
    *SHORT_AXIS.codes,
    *(("410668003", "SCT"), ("G-D7FE", "SRT")),  # Length
    *(("81827009", "SCT"), ("M-02550", "SRT")),  # Diameter
    *(("131187009", "SCT"), ("G-A193", "SRT")),  # Major Axis
    *(("131188004", "SCT"), ("G-A194", "SRT")),  # Minor Axis
    *(("131189007", "SCT"), ("G-A195", "SRT")),  # Perpendicular Axis
    *(("103355008", "SCT"), ("G-A220", "SRT")),  # Width
    *(("131197000", "SCT"), ("G-D785", "SRT")),  # Depth
    ("121206", "DCM"),  # Distance
    ("121207", "DCM"),  # Height
    ("121227", "DCM"),  # Line segment length
    ("121211", "DCM"),  # Path length
    ("121055", "DCM"),  # Path
)
"""Names under which a straight line across a lesion is measured."""

IMAGE_LIBRARY = _concept("Image Library", ("111028", "DCM"))
IMAGE_REGION = _concept("Image Region", ("111030", "DCM"))
REGION_OUTLINES = _concept(
    "Closed outline",
    ("111030", "DCM"),  # Image Region, TID 1410
    ("121231", "DCM"),  # Volume Surface, TID 1411
    ("111041", "DCM"),  # Outline, TID 4107 of the CAD reports
)
REFERENCED_SEGMENT = _concept("Referenced Segment", ("121191", "DCM"))
REFERENCED_SEGMENTATION_FRAME = _concept("Referenced Segmentation Frame", ("121214", "DCM"))

AIM_ANNOTATION = _concept("AIM Annotation", ("zzz002", "99NCIAIM"))
"""One annotation in the SR that the AIM 3 toolkit wrote, in private codes throughout."""

AIM_IMAGE_ANNOTATION = _concept("Image Annotation", ("zzz030", "99NCIAIM"))
AIM_SHAPE = _concept("Geometric Shape", ("zzz022", "99NCIAIM"))

MILLIMETRE = _concept("millimetre", ("mm", "UCUM"))
CENTIMETRE = _concept("centimetre", ("cm", "UCUM"))
NO_UNIT = _concept("no units", ("1", "UCUM"))
LENGTH_UNITS = _concept("unit of length", ("mm", "UCUM"), ("cm", "UCUM"), ("um", "UCUM"))

REGION_UNITS = _concept(
    "unit of something measured over a region",
    *((unit, "UCUM") for unit in ("mm2", "cm2", "um2", "mm3", "cm3", "ml")),
    *((unit, "UCUM") for unit in ("[hnsf'U]", "hnsf'U", "{SUVbw}g/ml", "g/ml{SUVbw}")),
)
