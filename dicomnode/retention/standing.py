"""What has become of a study, as its rows say it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from dicomnode.deliver.confirmation import HELD
from dicomnode.deliver.outbox import OPEN
from dicomnode.settings import Destination
from dicomnode.store.states import (
    DEAD_LETTERS,
    DeliveryState,
    InstanceState,
    LesionState,
    ReportState,
    RetrievalState,
    StudyState,
    SummaryState,
)
from dicomnode.store.tables import (
    CommitmentReport,
    Delivery,
    Finding,
    Instance,
    Lesion,
    RefusalReport,
    Result,
    Retrieval,
    Summary,
)

_UNDER_WAY = (LesionState.WAITING, LesionState.READY, LesionState.SEGMENTED)
_GIVEN_UP = (LesionState.REFUSED, LesionState.FAILED)


@dataclass(frozen=True)
class StudyStanding:
    """Where a study stands.

    Attributes
    ----------
    study_instance_uid : str
    state : StudyState
    why : str
        The reason for the state, in figures.
    last_change : float
        When anything last happened to it, in seconds since 1970.
    instances : int
        Received objects.
    size : int
        Bytes of what was received and made.
    """

    study_instance_uid: str
    state: StudyState
    why: str
    last_change: float
    instances: int
    size: int


@dataclass(frozen=True)
class Promise:
    """How far a destination is to take what it accepted.

    Attributes
    ----------
    commit, verify : bool
        Whether it is asked for storage commitment, and whether results are read back.
    """

    commit: bool
    verify: bool


def promises_of(destinations: Collection[Destination]) -> dict[str, Promise]:
    """What the configuration asks of each destination, by its name."""
    return {
        destination.name: Promise(
            bool(getattr(destination, "commit", False)), destination.verify != "none"
        )
        for destination in destinations
    }


def standing_of(
    session: Session, study_instance_uid: str, promises: dict[str, Promise]
) -> StudyStanding | None:
    """Look at everything that has to do with a study.

    Parameters
    ----------
    session : Session
    study_instance_uid : str
    promises : dict
        Of `promises_of`.

    Returns
    -------
    StudyStanding or None
        None where no object of the study is in the index.
    """
    instances, size, received = session.execute(
        select(
            func.count(), func.coalesce(func.sum(Instance.size), 0), func.max(Instance.received_at)
        ).where(Instance.study_instance_uid == study_instance_uid)
    ).one()
    if not instances:
        return None
    lesions = _lesions_on(session, study_instance_uid)
    results = results_of(session, study_instance_uid)
    size += sum(result.size for result in results if result.path)
    moments = [received, *(lesion.changed_at for lesion in lesions)]
    for result in results:
        moments += [result.created_at, *(delivery.changed_at for delivery in result.deliveries)]
    busy = _busy(session, study_instance_uid, lesions, results)
    state, why = (StudyState.BUSY, busy) if busy else (None, None)
    if state is None:
        failed = _failed(session, study_instance_uid, lesions, results, promises)
        state, why = (StudyState.FAILED, failed) if failed else _finished(lesions, results)
    return StudyStanding(study_instance_uid, state, why, max(moments), instances, size)


def lesions_of(session: Session, study_instance_uid: str) -> Sequence[Lesion]:
    """Lesions on the CT of a study."""
    return session.scalars(
        select(Lesion).where(Lesion.study_instance_uid == study_instance_uid).order_by(Lesion.id)
    ).all()


def results_of(session: Session, study_instance_uid: str) -> Sequence[Result]:
    """What the node made of a study: of its lesions, its series, and the marks in its objects."""
    series = select(Instance.series_instance_uid).where(
        Instance.study_instance_uid == study_instance_uid
    )
    return session.scalars(
        select(Result)
        .where(
            or_(
                Result.lesion.has(Lesion.study_instance_uid == study_instance_uid),
                Result.summary.has(Summary.series_instance_uid.in_(series)),
                Result.refusal_report.has(
                    RefusalReport.source_sop_instance_uid.in_(_objects(study_instance_uid))
                ),
            )
        )
        .order_by(Result.id)
    ).all()


def _objects(study_instance_uid: str):  # a subquery
    return select(Instance.sop_instance_uid).where(
        Instance.study_instance_uid == study_instance_uid
    )


def _lesions_on(session: Session, study_instance_uid: str) -> Sequence[Lesion]:
    """All that may need an object of a study: its CT, its marks, or its place in space."""
    objects = _objects(study_instance_uid)
    spaces = (
        select(Instance.frame_of_reference_uid)
        .where(Instance.study_instance_uid == study_instance_uid)
        .where(Instance.frame_of_reference_uid.is_not(None))
    )
    found_in = select(Finding.lesion_id).where(
        Finding.source_sop_instance_uid.in_(objects), Finding.lesion_id.is_not(None)
    )
    waits_in_space = (Lesion.state == LesionState.WAITING) & Lesion.frame_of_reference_uid.in_(
        spaces
    )
    return session.scalars(
        select(Lesion)
        .where(
            or_(
                Lesion.study_instance_uid == study_instance_uid,
                Lesion.source_sop_instance_uid.in_(objects),
                Lesion.key_sop_instance_uid.in_(objects),
                Lesion.id.in_(found_in),
                waits_in_space,
            )
        )
        .order_by(Lesion.id)
    ).all()


def _busy(
    session: Session,
    study_instance_uid: str,
    lesions: Sequence[Lesion],
    results: Sequence[Result],
) -> str | None:
    """What is still to be done, the first that is found."""
    mine = Instance.study_instance_uid == study_instance_uid
    unread = _count(session, Instance, mine & (Instance.state == InstanceState.RECEIVED))
    if unread:
        return f"{unread} objects are to be read for marks"
    under_way = sum(lesion.state in _UNDER_WAY or lesion.unsettled for lesion in lesions)
    if under_way:
        return f"{under_way} lesions are worked at"
    if elsewhere := _needed_elsewhere(session, study_instance_uid, lesions):
        return f"{elsewhere} lesions of other studies were marked in it"
    deliveries = [delivery for result in results for delivery in result.deliveries]
    undelivered = sum(
        delivery.state in OPEN or delivery.confirmation is not None for delivery in deliveries
    )
    if undelivered:
        return f"{undelivered} deliveries are not finished"
    series = select(Instance.series_instance_uid).where(mine)
    to_make = _count(
        session,
        Summary,
        Summary.series_instance_uid.in_(series) & (Summary.state == SummaryState.WAITING),
    ) + _count(
        session,
        RefusalReport,
        RefusalReport.source_sop_instance_uid.in_(_objects(study_instance_uid))
        & (RefusalReport.state == SummaryState.WAITING),
    )
    if to_make:
        return f"{to_make} reports are to be made"
    fetching = _count(
        session,
        Retrieval,
        (Retrieval.study_instance_uid == study_instance_uid)
        & Retrieval.state.in_((RetrievalState.QUEUED, RetrievalState.RUNNING)),
    )
    if fetching:
        return f"{fetching} retrievals are under way"
    if _commitment_is_owed(session, study_instance_uid):
        return "a peer waits for the report on a storage commitment"
    return None


def _needed_elsewhere(session: Session, study_instance_uid: str, lesions: Sequence[Lesion]) -> int:
    """Lesions on the CT of another study, which is still here, whose marks lie in this one."""
    others = {
        lesion.study_instance_uid
        for lesion in lesions
        if lesion.study_instance_uid not in (None, study_instance_uid)
        and lesion.state not in _GIVEN_UP
    }
    here = set(
        session.scalars(
            select(Instance.study_instance_uid)
            .where(Instance.study_instance_uid.in_(others))
            .distinct()
        )
    )
    return sum(lesion.study_instance_uid in here for lesion in lesions)


def _commitment_is_owed(session: Session, study_instance_uid: str) -> bool:
    owed = session.scalars(
        select(CommitmentReport.references).where(CommitmentReport.state == ReportState.QUEUED)
    ).all()
    if not owed:
        return False
    mine = set(session.scalars(_objects(study_instance_uid)))
    return any(reference[1] in mine for references in owed for reference in references)


def _failed(
    session: Session,
    study_instance_uid: str,
    lesions: Sequence[Lesion],
    results: Sequence[Result],
    promises: dict[str, Promise],
) -> str | None:
    """What somebody has to look at, the first that is found."""
    broken = sum(lesion.state is LesionState.FAILED for lesion in lesions)
    if broken:
        return f"{broken} lesions failed"
    deliveries = [delivery for result in results for delivery in result.deliveries]
    dead = sum(delivery.state in DEAD_LETTERS for delivery in deliveries)
    if dead:
        return f"{dead} deliveries are dead letters"
    short = sum(_falls_short(delivery, promises) for delivery in deliveries)
    if short:
        return f"{short} deliveries are not committed or not read back, as they were to be"
    series = select(Instance.series_instance_uid).where(
        Instance.study_instance_uid == study_instance_uid
    )
    unmade = _count(
        session,
        Summary,
        Summary.series_instance_uid.in_(series) & (Summary.state == SummaryState.FAILED),
    )
    return f"{unmade} reports could not be made" if unmade else None


def _falls_short(delivery: Delivery, promises: dict[str, Promise]) -> bool:
    promise = promises.get(delivery.destination)
    if promise is None or delivery.state not in HELD:
        return False
    return (promise.commit and delivery.committed_at is None) or (
        promise.verify and delivery.verified_at is None
    )


def _finished(lesions: Sequence[Lesion], results: Sequence[Result]) -> tuple[StudyState, str]:
    """What came of a study of which nothing is to be done, and nothing failed."""
    published = [lesion for lesion in lesions if lesion.state is LesionState.PUBLISHED]
    if not lesions:
        return StudyState.UNMARKED, "no marks"
    if not published:
        return StudyState.REFUSED, f"{len(lesions)} marks, none of them processed"
    of_series = [result for result in results if result.summary_id is not None]
    unsent = sum(not _is_held(lesion, of_series) for lesion in published)
    if unsent:
        return StudyState.UNSENT, f"results of {unsent} lesions are only here"
    deliveries = [delivery for result in results for delivery in result.deliveries]
    unjudged = sum(delivery.state is DeliveryState.UNJUDGED for delivery in deliveries)
    if unjudged:  # some destination has them, and another one waits
        return StudyState.UNSENT, f"{unjudged} deliveries wait for a reader's verdict"
    return StudyState.DELIVERED, f"results of {len(published)} lesions are delivered"


def _is_held(lesion: Lesion, of_series: Sequence[Result]) -> bool:
    """Whether a destination has what was made of a lesion, alone or with others of its series."""
    made = lesion.results or of_series
    return not lesion.dry_run and any(
        delivery.state in HELD for result in made for delivery in result.deliveries
    )


def _count(session: Session, table: type, condition: object) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0
