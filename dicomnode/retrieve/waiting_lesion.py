"""The lesions that wait for images, and what is known of those."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased, selectinload

from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Instance, Lesion, Retrieval


@dataclass(frozen=True)
class Waiting:
    """A lesion that waits for images.

    Attributes
    ----------
    lesion_id : int
    image_uid, series_uid, study_uid, frame_uid : str or None
        What is known of what it waits for; the series only once one of its slices is here. The
        image may be a SEG.
    image_here : bool
        Whether the image has come.
    asked_for : frozenset of str
        Words of the wants that sources are, or were, asked for.
    being_fetched : bool
        Whether a source is giving one of them at this moment.
    mark_uid, mark_path, mark_study_uid : str
    mark_frame_uid : str or None
        The object that brought the mark, and its frame of reference.
    seg_path : str or None
        The SEG that the mark refers to, once it is here.
    calling_ae : str
        Who sent the object.
    quiet_since : float
        When last something happened that it could have waited for.
    """

    lesion_id: int
    image_uid: str | None
    series_uid: str | None
    study_uid: str | None
    frame_uid: str | None
    image_here: bool
    asked_for: frozenset[str]
    being_fetched: bool
    mark_uid: str
    mark_path: str
    mark_study_uid: str
    mark_frame_uid: str | None
    seg_path: str | None
    calling_ae: str
    quiet_since: float


def waiting_lesions(session: Session, retrieval: Retrieval | None = None) -> list[Waiting]:
    """Lesions that wait, or those that wait for one retrieval."""
    image = aliased(Instance)
    all_or_its = [] if retrieval is None else [Lesion.retrievals.contains(retrieval)]
    rows = session.execute(
        select(Lesion, Instance, image.sop_instance_uid.is_not(None))
        .join(Instance, Instance.sop_instance_uid == Lesion.source_sop_instance_uid)
        .outerjoin(image, image.sop_instance_uid == Lesion.key_sop_instance_uid)
        .options(selectinload(Lesion.retrievals))
        .where(Lesion.state == LesionState.WAITING, *all_or_its)
        .order_by(Lesion.id)
    ).all()
    return [
        Waiting(
            lesion.id,
            lesion.key_sop_instance_uid,
            lesion.series_instance_uid,
            lesion.study_instance_uid,
            lesion.frame_of_reference_uid,
            bool(image_here),
            frozenset(retrieval.wanted for retrieval in lesion.retrievals),
            any(retrieval.state is RetrievalState.RUNNING for retrieval in lesion.retrievals),
            source.sop_instance_uid,
            source.path,
            source.study_instance_uid,
            source.frame_of_reference_uid,
            _path_of_seg(session, lesion),
            source.calling_ae,
            max(lesion.waiting_since, _last_arrival(session, lesion)),
        )
        for lesion, source, image_here in rows
    ]


def _path_of_seg(session: Session, lesion: Lesion) -> str | None:
    # Not the whole mark is made of the row: outlines can be of a million points.
    segment = lesion.mark["opinions"][0]["segment"] if "opinions" in lesion.mark else None
    if segment is None:
        return None
    seg = session.get(Instance, segment["seg_sop_instance_uid"])
    return None if seg is None else seg.path


def last_arrival(session: Session, series_instance_uid: str) -> float:
    """When the newest instance of a series came; 0 where none did."""
    return _newest(session, Instance.series_instance_uid == series_instance_uid)


def _last_arrival(session: Session, lesion: Lesion) -> float:
    if lesion.series_instance_uid is not None:
        return last_arrival(session, lesion.series_instance_uid)
    if lesion.frame_of_reference_uid is not None:
        return _newest(
            session,
            Instance.frame_of_reference_uid == lesion.frame_of_reference_uid,
            Instance.sop_class_uid.in_(CT_CLASSES),
        )
    return 0.0


def _newest(session: Session, *conditions: object) -> float:
    return float(session.scalar(select(func.max(Instance.received_at)).where(*conditions)) or 0)
