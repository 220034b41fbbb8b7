"""All that was refused of one object, from the rows that say so."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.collect.examine import LEFT_ALONE
from dicomnode.marks import Refusal
from dicomnode.routing import found_no_rule
from dicomnode.store.refusals import REFUSED
from dicomnode.store.tables import Finding, Lesion


@dataclass(frozen=True)
class RefusedItem:
    """One item of an object that gave no result.

    Attributes
    ----------
    refusal : Refusal
        Where in the object, and why.
    lesion_id : int or None
        The lesion that it had become; None where it was refused when it was read.
    """

    refusal: Refusal
    lesion_id: int | None


def refused_items(session: Session, sop_instance_uid: str) -> tuple[RefusedItem, ...]:
    """Gather what was refused of an object: at reading, at its CT, or by the work at it.

    Left out is what nobody is to be told of: results that came back, which are left alone, and
    marks that no rule fits, for then no rule asks.

    Returns
    -------
    tuple of RefusedItem
        In the order in which they stand in the object; each item and reason once.
    """
    rows = session.execute(
        select(Finding.item, Finding.reason, Lesion.id, Lesion.state, Lesion.reason)
        .outerjoin(Lesion, Lesion.id == Finding.lesion_id)
        .where(Finding.source_sop_instance_uid == sop_instance_uid)
        .order_by(Finding.id)
    ).all()
    found: dict[Refusal, RefusedItem] = {}
    for item, read_reason, lesion_id, state, lesion_reason in rows:
        if lesion_id is not None and state not in REFUSED:
            continue
        reason = (read_reason if lesion_id is None else lesion_reason) or "it cannot be used"
        if reason in LEFT_ALONE or found_no_rule(reason):
            continue
        refusal = Refusal(item, reason)
        found.setdefault(refusal, RefusedItem(refusal, lesion_id))
    return tuple(found.values())
