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
LENGTH = _concept("Length", ("410668003", "SCT"), ("G-D7FE", "SRT"))

IMAGE_REGION = _concept("Image Region", ("111030", "DCM"))
REFERENCED_SEGMENT = _concept("Referenced Segment", ("121191", "DCM"))
REFERENCED_SEGMENTATION_FRAME = _concept("Referenced Segmentation Frame", ("121214", "DCM"))

MILLIMETRE = _concept("millimetre", ("mm", "UCUM"))
