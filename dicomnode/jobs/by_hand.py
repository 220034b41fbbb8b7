"""What an administrator does to lesions and deliveries: take up again, cancel, discard.

Each change is one row's step from a state that allows it, in one transaction with its trace
(`dicomnode.store.tables.JobTrace`), so that a node that runs beside it sees all or nothing of it,
and doing it twice is doing it once. What a worker or a peer still does for a row that was cancelled
is not written down, but for an acceptance, which is a fact.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dicomnode.collect.examine import reopen
from dicomnode.deliver.confirmation import HELD
from dicomnode.deliver.outbox import OPEN
from dicomnode.store.refusals import lesion_changed
from dicomnode.store.standing import unsettle_replaced
from dicomnode.store.states import DEAD_LETTERS, CircuitState, DeliveryState, JobAction, LesionState
from dicomnode.store.tables import Circuit, Delivery, Instance, JobTrace, Lesion, PurgedInstance
from dicomnode.store.verdicts import HELD_BACK

BY_HAND = (JobAction.RETRY, JobAction.CANCEL, JobAction.DISCARD)
"""What an administrator can do; readers judge at the lesion page."""

UNDER_WAY = (LesionState.WAITING, LesionState.READY, LesionState.SEGMENTED)
"""Lesions of which something is still to come."""


GIVEN_UP = (LesionState.FAILED, LesionState.REFUSED)
"""Lesions of which nothing more comes by itself."""


@dataclass(frozen=True)
class By:
    """Who does it, and why."""

    who: str
    why: str


@dataclass(frozen=True)
class Chosen:
    """Which rows are meant: those named, and those that all of the conditions hold for.

    Attributes
    ----------
    lesions, deliveries : collection of int
        Ids.
    state : str or None
        Of the rows.
    destination : str or None
        Deliveries to it.
    """

    lesions: Collection[int] = ()
    deliveries: Collection[int] = ()
    state: str | None = None
    destination: str | None = None


@dataclass(frozen=True)
class Change:
    """What became of one row: its states, and why it was left where both are the same."""

    kind: str
    subject: str
    before: str
    after: str
    why_not: str = ""


def choose_lesions(session: Session, chosen: Chosen) -> Sequence[Lesion]:
    """Give the lesions that are meant; a destination alone means none."""
    conditions = [Lesion.id.in_(chosen.lesions)]
    if chosen.destination is None and chosen.state in set(LesionState):
        conditions.append(Lesion.state == LesionState(chosen.state))
    return session.scalars(select(Lesion).where(or_(*conditions)).order_by(Lesion.id)).all()


def choose_deliveries(session: Session, chosen: Chosen, meant: JobAction) -> Sequence[Delivery]:
    """Give the deliveries that are meant; a destination alone means what `meant` can change."""
    query = select(Delivery).order_by(Delivery.id)
    named = Delivery.id.in_(chosen.deliveries)
    if chosen.state in set(DeliveryState):
        by_state = Delivery.state == DeliveryState(chosen.state)
    elif chosen.destination is not None and chosen.state is None:
        by_state = Delivery.state.in_(OPEN if meant is JobAction.CANCEL else DEAD_LETTERS)
        if meant is JobAction.RETRY:
            by_state = Delivery.state.in_((*OPEN, *DEAD_LETTERS))
    else:
        return session.scalars(query.where(named)).all()
    if chosen.destination is not None:
        by_state = by_state & (Delivery.destination == chosen.destination)
    return session.scalars(query.where(or_(named, by_state))).all()


def act(session: Session, action: JobAction, chosen: Chosen, by: By) -> list[Change]:
    """Take up, cancel or discard what was chosen.

    Parameters
    ----------
    session : Session
        Writing.
    action : JobAction
    chosen : Chosen
    by : By

    Returns
    -------
    list of Change
        One for each row that was chosen, and one for a circuit that is asked again at once.
    """
    changes = [_lesion(session, action, lesion, by) for lesion in choose_lesions(session, chosen)]
    deliveries = choose_deliveries(session, chosen, action)
    changes += [_delivery(action, delivery) for delivery in deliveries]
    if action is JobAction.RETRY and chosen.destination is not None:
        changes += _ask_now(session, chosen.destination)
    for change in changes:
        if not change.why_not:
            session.add(
                JobTrace(
                    who=by.who,
                    why=by.why,
                    action=action,
                    kind=change.kind,
                    subject=change.subject,
                    before=change.before,
                    after=change.after,
                )
            )
    return changes


def _lesion(session: Session, action: JobAction, lesion: Lesion, by: By) -> Change:
    before = lesion.state
    said = f": {by.why}" if by.why else ""
    why_not = ""
    match action:
        case JobAction.RETRY if before in GIVEN_UP and _is_deleted(session, lesion):
            why_not = "its study was deleted: send its mark and CT again"
        case JobAction.RETRY if before in GIVEN_UP:
            reopen(lesion, f"taken up again by {by.who}{said}")
        case JobAction.RETRY:
            why_not = "it was not given up"
        case JobAction.CANCEL if before in UNDER_WAY:
            lesion.state = LesionState.REFUSED
            lesion.attempts = 0
            lesion.reason = f"cancelled by {by.who}{said}"
            unsettle_replaced(session, lesion.id)
        case JobAction.CANCEL:
            why_not = "nothing of it is still to be done"
        case JobAction.DISCARD if before is LesionState.FAILED:
            lesion.state = LesionState.REFUSED
            lesion.attempts = 0
            lesion.reason = f"discarded by {by.who}{said}; it had failed: {lesion.reason}"
        case JobAction.DISCARD:
            why_not = "it has not failed"
    if not why_not:
        lesion_changed(session, lesion.id)
    return Change("lesion", str(lesion.id), before.value, lesion.state.value, why_not)


def _delivery(action: JobAction, delivery: Delivery) -> Change:
    before = delivery.state
    why_not = ""
    match action:
        case JobAction.RETRY if before in (*DEAD_LETTERS, DeliveryState.WITHDRAWN) and not _stands(
            delivery
        ):
            why_not = "another result takes its place"
        case JobAction.RETRY if before not in HELD and not delivery.result.path:
            why_not = "its study was deleted: send its mark and CT again"
        case JobAction.RETRY if before in (*DEAD_LETTERS, DeliveryState.WITHDRAWN):
            delivery.state = DeliveryState.QUEUED
            delivery.attempts = 0
            delivery.due_at = time.time()
        case JobAction.RETRY if before in OPEN:
            delivery.due_at = time.time()
        case JobAction.RETRY if before in HELD_BACK:
            why_not = "a reader has to accept its soft mask first"
        case JobAction.RETRY:
            why_not = "the destination has it"
        case JobAction.CANCEL if before in (*OPEN, *HELD_BACK):
            delivery.state = DeliveryState.WITHDRAWN
        case JobAction.CANCEL:
            why_not = "it is not on its way"
        case JobAction.DISCARD if before in DEAD_LETTERS:
            delivery.state = DeliveryState.WITHDRAWN
            delivery.confirmation = None
        case JobAction.DISCARD:
            why_not = "it is no dead letter"
    return Change("delivery", str(delivery.id), before.value, delivery.state.value, why_not)


def _is_deleted(session: Session, lesion: Lesion) -> bool:
    source = lesion.source_sop_instance_uid
    purged = select(PurgedInstance.purge_id).where(PurgedInstance.sop_instance_uid == source)
    return session.get(Instance, source) is None and session.scalar(purged.limit(1)) is not None


def _stands(delivery: Delivery) -> bool:
    """Whether the object is still what its lesion, series or refusals became."""
    lesion = delivery.result.lesion
    if lesion is not None:
        return lesion.state is LesionState.PUBLISHED
    of = delivery.result.summary or delivery.result.refusal_report
    same = [result for result in of.results if result.kind == delivery.result.kind]
    return same[-1] is delivery.result


def _ask_now(session: Session, destination: str) -> list[Change]:
    circuit = session.get(Circuit, destination)
    if circuit is None or circuit.state is CircuitState.CLOSED:
        return []
    circuit.probe_at = time.time()
    state = circuit.state.value
    return [Change("circuit", destination, state, state)]
