"""Attributes that studies, series and instances are found by and told with (PS3.18 10.6.3)."""

from __future__ import annotations

import re
from enum import IntEnum

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from dicomnode.web.dicomweb.problem import Problem, quoted


class Level(IntEnum):
    """What is searched for."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


STUDY_TAGS = frozenset(
    {
        0x00080020,  # Study Date
        0x00080030,  # Study Time
        0x00080050,  # Accession Number
        0x00080090,  # Referring Physician's Name
        0x00080201,  # Timezone Offset From UTC
        0x00081030,  # Study Description
        0x00081032,  # Procedure Code Sequence
        0x00100010,  # Patient's Name
        0x00100020,  # Patient ID
        0x00100021,  # Issuer of Patient ID
        0x00100030,  # Patient's Birth Date
        0x00100040,  # Patient's Sex
        0x00101010,  # Patient's Age
        0x0020000D,  # Study Instance UID
        0x00200010,  # Study ID
    }
)
SERIES_TAGS = frozenset(
    {
        0x00080021,  # Series Date
        0x00080031,  # Series Time
        0x00080060,  # Modality
        0x00080070,  # Manufacturer
        0x0008103E,  # Series Description
        0x00180015,  # Body Part Examined
        0x00181030,  # Protocol Name
        0x0020000E,  # Series Instance UID
        0x00200011,  # Series Number
        0x00200052,  # Frame of Reference UID
        0x00200060,  # Laterality
        0x00400244,  # Performed Procedure Step Start Date
        0x00400245,  # Performed Procedure Step Start Time
        0x00400275,  # Request Attributes Sequence
    }
)
INSTANCE_TAGS = frozenset(
    {
        0x00080016,  # SOP Class UID
        0x00080018,  # SOP Instance UID
        0x00200013,  # Instance Number
        0x00280008,  # Number of Frames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280100,  # Bits Allocated
    }
)
CHARACTER_SET = 0x00080005
ON_CARDS = STUDY_TAGS | SERIES_TAGS | {CHARACTER_SET, 0x00080016, 0x00080018}
"""What is kept in memory of a file, to find its study and series by."""

MODALITIES_IN_STUDY = 0x00080061
SOP_CLASSES_IN_STUDY = 0x00080062
STUDY_SERIES = 0x00201206
STUDY_INSTANCES = 0x00201208
SERIES_INSTANCES = 0x00201209
AVAILABILITY = 0x00080056
RETRIEVE_URL = 0x00081190

COUNTED = {
    Level.STUDY: frozenset(
        {MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY, STUDY_SERIES, STUDY_INSTANCES}
    ),
    Level.SERIES: frozenset({SERIES_INSTANCES}),
    Level.INSTANCE: frozenset(),
}
"""What is counted of a level rather than read."""

TOLD = {Level.STUDY: STUDY_TAGS, Level.SERIES: SERIES_TAGS, Level.INSTANCE: INSTANCE_TAGS}
"""What is told of a level unasked."""

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_MOST_DEEP = 4


def tag_of(text: str) -> int:
    """Tag of an attribute that is named by keyword or in hexadecimal (PS3.18 8.3.4).

    Raises
    ------
    Problem
        400 where it is none.
    """
    tag = int(text, 16) if _TAG.fullmatch(text) else tag_for_keyword(text)
    if tag is None:
        raise Problem(400, f"found {quoted(text)}, expected an attribute's keyword or tag")
    return int(tag)


def path_of(text: str) -> tuple[int, ...]:
    """Tags of an attribute in sequences, with "." between their names.

    Raises
    ------
    Problem
        400.
    """
    names = text.split(".")
    if len(names) > _MOST_DEEP:
        raise Problem(400, f"found {quoted(text)}, expected {_MOST_DEEP} attributes deep at most")
    return tuple(tag_of(name) for name in names)


def vr_of(tag: int) -> str:
    """Value representation by the dictionary; "UN" of what it does not know."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def name_of(tag: int) -> str:
    """Keyword, or the tag where there is none."""
    return keyword_for_tag(tag) or f"{tag:08X}"
