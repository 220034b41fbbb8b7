"""How many rows wait for a step of the node's own."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.store.states import DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion

_WAIT = (
    (Instance.state, (InstanceState.RECEIVED,)),
    (Lesion.state, (LesionState.READY, LesionState.SEGMENTED)),
    (Delivery.state, (DeliveryState.QUEUED, DeliveryState.SENT)),
)


def backlog(session: Session, most: int) -> int:
    """Count instances to collect, lesions to segment or publish, and results to deliver.

    Parameters
    ----------
    session : Session
    most : int
        Of each kind no more are counted, so that the count is quick however many there are.
    """
    total = 0
    for state, waiting in _WAIT:
        some = select(state).where(state.in_(waiting)).limit(most).subquery()
        total += session.scalar(select(func.count()).select_from(some)) or 0
    return total
