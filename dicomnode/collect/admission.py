"""Whether a mark may become a lesion at all: its patient, and what it says that it outlines."""

from __future__ import annotations

from pydicom.filereader import read_partial
from sqlalchemy.orm import Session

from dicomnode.collect.ct import SeriesOfPass
from dicomnode.collect.ct_frame import CtImage
from dicomnode.collect.stack import Unusable
from dicomnode.marks import Code
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.routing import Rule
from dicomnode.store.tables import Instance

LESION_TYPES = frozenset({"GTV", "CTV", "PTV"})
"""RT ROI Interpreted Types (PS3.3 C.8.8.8.1) that are lesions; so is a region without one."""

OTHER_TYPES = frozenset(
    {
        "AVOIDANCE",
        "BOLUS",
        "BRACHY_ACCESSORY",
        "BRACHY_CHANNEL",
        "BRACHY_CHNL_SHLD",
        "BRACHY_SRC_APP",
        "CAVITY",
        "CONTRAST_AGENT",
        "CONTROL",
        "DOSE_MEASUREMENT",
        "DOSE_REGION",
        "EXTERNAL",
        "FIXATION",
        "IRRAD_VOLUME",
        "ISOCENTER",
        "MARKER",
        "OAR",
        "ORGAN",
        "REGISTRATION",
        "SUPPORT",
        "TREATED_VOLUME",
    }
)
"""The others of the standard, which may be quoted."""

_ANATOMY = frozenset(
    {("123037004", "SCT"), ("91723000", "SCT"), ("T-D000A", "SRT"), ("T-D000A", "SNM3")}
)
"""Segmented Property Category of organs (PS3.16 CID 7150): Anatomical Structure."""

_PATIENT_ID = 0x00100020


def check_anatomy(mark: LesionMark) -> None:
    """Refuse regions that say they are an organ, the body or a help of planning.

    For marks whose rule does not have `include_anatomy`.

    Raises
    ------
    Unusable
        With what the region says that it is.
    """
    for opinion in mark.opinions:
        stated = None if opinion.outline is None else opinion.outline.structure_type
        if stated is not None and stated not in LESION_TYPES:
            kind = stated if stated in OTHER_TYPES else "of a type unknown to the standard"
            raise Unusable(
                f"the region is {kind}, expected GTV, CTV, PTV or no type; a rule may allow others "
                "with include_anatomy"
            )
        if _is_anatomy(opinion.category):
            raise Unusable(
                "the segment is an anatomical structure, expected a lesion; a rule may allow it "
                "with include_anatomy"
            )


def check_patient(
    session: Session, mark: LesionMark, ct: CtImage, rule: Rule, known: SeriesOfPass
) -> tuple[str, ...]:
    """Compare Patient ID (0010,0020) of the objects that hold a mark with that of its CT.

    The files are asked, not the database, which keeps no Patient ID. Without one on either side
    nothing is known, and nothing is refused.

    Returns
    -------
    tuple of str
        Warnings, without any Patient ID.

    Raises
    ------
    Unusable
        If they differ, unless the rule has `allow_other_patient_id`.
    """
    expected = _patient_id(ct, known)
    for uid in mark.objects:
        source = session.get(Instance, uid)
        found = "" if source is None else _patient_id(source, known)
        if not found or not expected or found == expected:
            continue
        if not rule.allow_other_patient_id:
            raise Unusable(
                f"the Patient ID of the mark's object {uid} is not that of the CT; rule "
                f"{rule.name!r} may allow it with allow_other_patient_id"
            )
        return ("the Patient ID of the mark's object is not that of the CT",)
    return ()


def _is_anatomy(category: Code | None) -> bool:
    return category is not None and (category.value, category.scheme) in _ANATOMY


def _patient_id(instance: CtImage, known: SeriesOfPass) -> str:
    uid = instance.sop_instance_uid
    if uid not in known.patient_ids:
        with open(instance.path, "rb") as file:
            head = read_partial(file, stop_when=lambda tag, *_: tag > _PATIENT_ID)
        known.patient_ids[uid] = str(head.get("PatientID") or "").strip(" \0")
    return known.patient_ids[uid]
