"""Which lesion stands for which, where its state changes."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.summaries import touch
from dicomnode.store.tables import Lesion, Result

_UNDELIVERED = (
    DeliveryState.QUEUED,
    DeliveryState.SENT,
    DeliveryState.UNJUDGED,
    DeliveryState.WITHHELD,
)


def unsettle_replaced(session: Session, lesion_id: int) -> None:
    """A lesion failed, or left: those that it stood for are to be compared again."""
    session.execute(update(Lesion).where(Lesion.replaced_by == lesion_id).values(unsettled=True))


def supersede_replaced(session: Session, lesion_id: int) -> None:
    """A lesion has been published: what was published before it, of those that it stands for, is
    not sent any more.
    """
    replaced = select(Lesion).where(
        Lesion.replaced_by == lesion_id, Lesion.state == LesionState.PUBLISHED
    )
    for lesion in session.scalars(replaced):
        lesion.state = LesionState.SUPERSEDED
        withdraw(session, lesion)


def withdraw(session: Session, lesion: Lesion, but: frozenset[str] = frozenset()) -> None:
    """Withdraw what was not delivered of a lesion.

    Parameters
    ----------
    session : Session
        Writing.
    lesion : Lesion
    but : frozenset of str
        SOP Instance UIDs of results that are not withdrawn.
    """
    results = session.scalars(select(Result).where(Result.lesion_id == lesion.id)).all()
    if results and not but:  # what holds all lesions of the series is to do without this one
        touch(session, lesion)
    for result in results:
        if result.sop_instance_uid in but:
            continue
        if but and result.verdict_id is not None:  # made anew itself, if it is to be
            continue
        withdraw_result(result)


def withdraw_result(result: Result) -> None:
    """Withdraw what was not delivered of one object. Needs a session that is writing."""
    for delivery in result.deliveries:
        if delivery.state in _UNDELIVERED:
            delivery.state = DeliveryState.WITHDRAWN
