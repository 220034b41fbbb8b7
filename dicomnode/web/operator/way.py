"""The way of a lesion, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from dicomnode.deliver.outbox import OPEN
from dicomnode.store.states import DEAD_LETTERS, DeliveryState, LesionState

STEPS = ("received", "collected", "segmented", "published", "accepted", "committed")

Standing = Literal["done", "now", "failed", "not"]

_HELD = (DeliveryState.ACCEPTED, DeliveryState.COMMITTED, DeliveryState.VERIFIED)
_KEPT = (DeliveryState.COMMITTED, DeliveryState.VERIFIED)


@dataclass(frozen=True)
class Step:
    """One step, and how a lesion stands with it.

    Attributes
    ----------
    name : str
    standing : {"done", "now", "failed", "not"}
        "now": it comes next. "not": it is not reached, or nobody asks for it.
    """

    name: str
    standing: Standing


def way_of(
    state: LesionState,
    collected: bool,
    segmented: bool,
    deliveries: Mapping[DeliveryState, int],
    pending: int,
) -> tuple[Step, ...]:
    """Say how far a lesion is.

    Parameters
    ----------
    state : LesionState
    collected : bool
        Whether its CT is known.
    segmented : bool
        Whether it has a soft mask.
    deliveries : mapping of DeliveryState to int
        How many of its results are in which state.
    pending : int
        How many are still to be committed or read back.
    """
    published = state in (LesionState.PUBLISHED, LesionState.SUPERSEDED) and segmented
    reached = [True, collected, segmented, published]
    match state:
        case LesionState.WAITING:
            reached = [True, False, False, False]
        case LesionState.READY:
            reached = [True, True, False, False]
        case LesionState.SEGMENTED:
            reached = [True, True, True, False]
        case LesionState.PUBLISHED:
            reached = [True, True, True, True]
        case _:
            pass
    standings: list[Standing] = ["done" if found else "not" for found in reached]
    if not all(reached):
        next_one = reached.index(False)
        if state in (LesionState.FAILED, LesionState.REFUSED):
            standings[next_one] = "failed"
        elif state is not LesionState.SUPERSEDED:
            standings[next_one] = "now"
    standings += _sent(deliveries, pending) if all(reached) else ["not", "not"]
    return tuple(Step(*pair) for pair in zip(STEPS, standings, strict=True))


def _sent(deliveries: Mapping[DeliveryState, int], pending: int) -> list[Standing]:
    def any_of(states: tuple[DeliveryState, ...]) -> bool:
        return any(deliveries.get(state) for state in states)

    if any_of(DEAD_LETTERS):
        return ["failed", "not"]
    if any_of(OPEN):
        return ["now", "not"]
    if deliveries.get(DeliveryState.UNJUDGED):
        return ["now", "not"]
    if not any_of(_HELD):
        return ["not", "not"]
    if pending:
        return ["done", "now"]
    return ["done", "not" if deliveries.get(DeliveryState.ACCEPTED) else "done"]
