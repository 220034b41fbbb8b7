"""Rows of what was sent that are needed no more, and may go after some time."""

from __future__ import annotations

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.orm import Session, aliased

from dicomnode.deliver.confirmation import HELD
from dicomnode.deliver.outbox import OPEN
from dicomnode.store.states import DEAD_LETTERS, LesionState
from dicomnode.store.tables import Commitment, Delivery, Lesion, Result, commitment_delivery
from dicomnode.store.verdicts import HELD_BACK


def forget_commitments(session: Session, before: float, limit: int = 500) -> int:
    """Delete requests for storage commitment that nothing follows from any more.

    One goes that was reported, or else asked, before the moment, unless an object of it is still to
    be sent, committed or read back. A report on it that comes after that is not known.

    Parameters
    ----------
    session : Session
        Writing.
    before : float
        Seconds since 1970.
    limit : int
        Most that are deleted at once.

    Returns
    -------
    int
        How many were deleted.
    """
    still_open = or_(Delivery.confirmation.is_not(None), Delivery.state.in_(OPEN))
    found = session.scalars(
        select(Commitment.id)
        .where(
            func.coalesce(Commitment.reported_at, Commitment.asked_at) < before,
            ~Commitment.deliveries.any(still_open),
        )
        .order_by(Commitment.id)
        .limit(limit)
    ).all()
    session.execute(
        delete(commitment_delivery).where(commitment_delivery.c.commitment_id.in_(found))
    )
    session.execute(delete(Commitment).where(Commitment.id.in_(found)))
    return len(found)


def forget_deliveries(session: Session, before: float, limit: int = 500) -> int:
    """Delete finished deliveries of objects that another has taken the place of.

    The delivery of an object that stands is what says that it is not to be sent again, and a dead
    letter is taken up when its mark is sent again: both stay. An object stands no more where its
    lesion is superseded, or where the destination has a newer object of the same kind of the same
    lesion, series or refusals; then a dead letter goes too, for the newer object was wanted. The
    newest that a destination has stays, which the next one names as its predecessor, and so does a
    delivery that a request for commitment still names.

    Parameters
    ----------
    session : Session
        Writing.
    before : float
        Seconds since 1970: when the delivery last changed.
    limit : int
        Most that are deleted at once.

    Returns
    -------
    int
        How many were deleted.
    """
    newer, its_delivery = aliased(Result), aliased(Delivery)
    replaced_at_the_destination = (
        select(newer.id)
        .join(its_delivery, its_delivery.result_id == newer.id)
        .where(
            or_(
                newer.lesion_id == Result.lesion_id,
                newer.summary_id == Result.summary_id,
                newer.refusal_report_id == Result.refusal_report_id,
            ),
            newer.kind == Result.kind,
            newer.id > Result.id,
            its_delivery.destination == Delivery.destination,
            its_delivery.state.in_(HELD),
        )
        .correlate(Result, Delivery)
        .exists()
    )
    found = session.scalars(
        select(Delivery.id)
        .join(Delivery.result)
        .where(
            Delivery.state.not_in((*OPEN, *HELD_BACK)),
            Delivery.confirmation.is_(None),
            Delivery.changed_at < before,
            ~Delivery.commitments.any(),
            or_(
                and_(
                    Delivery.state.not_in(DEAD_LETTERS),
                    Result.lesion.has(Lesion.state == LesionState.SUPERSEDED),
                ),
                replaced_at_the_destination,
            ),
        )
        .order_by(Delivery.id)
        .limit(limit)
    ).all()
    session.execute(delete(Delivery).where(Delivery.id.in_(found)))
    return len(found)
