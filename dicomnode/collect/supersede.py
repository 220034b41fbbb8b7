"""Take a lesion out of the way whose place another one takes."""

from __future__ import annotations

from sqlalchemy.orm import Session

from dicomnode.deliver.outbox import OPEN
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.summaries import touch
from dicomnode.store.tables import Lesion


def supersede(session: Session, lesion_id: int, why: str, by: int | None = None) -> None:
    """Mark a lesion as superseded; results of it that were not delivered stay here.

    Parameters
    ----------
    session : Session
        Writing.
    lesion_id : int
    why : str
    by : int, optional
        The lesion that takes its place.
    """
    lesion = session.get_one(Lesion, lesion_id)
    if lesion.state is LesionState.PUBLISHED:
        touch(session, lesion)
    lesion.state = LesionState.SUPERSEDED
    lesion.reason = why if by is None else f"{why}; lesion {by} takes its place"
    for result in lesion.results:
        for delivery in result.deliveries:
            if delivery.state in OPEN:
                delivery.state = DeliveryState.WITHDRAWN
