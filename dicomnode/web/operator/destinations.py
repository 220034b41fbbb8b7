"""Destinations: whether each is there, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.uid import UID
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.deliver.capabilities import accepts, address_of
from dicomnode.deliver.ladder_choice import ladder
from dicomnode.deliver.result_classes import class_name
from dicomnode.settings import Destination
from dicomnode.store.states import DeliveryState
from dicomnode.store.tables import Capability, Circuit, Delivery, Probe
from dicomnode.web.operator.configuration import shown_address


@dataclass(frozen=True)
class Cell:
    """One answer of the probe; `accepted` is None where it was not asked."""

    transfer_syntax: str
    accepted: bool | None


@dataclass(frozen=True)
class MatrixRow:
    """One SOP class of the probe matrix."""

    sop_class: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ResultChoice:
    """Whether the destination gets a kind of result, and why."""

    kind: str
    made: bool
    why: str


@dataclass(frozen=True)
class DestinationRow:
    """One destination. Times are seconds since 1970."""

    name: str
    kind: str
    address: str
    circuit: str
    failures: int
    opened_at: float | None
    probe_at: float | None
    circuit_words: str | None
    deliveries: dict[DeliveryState, int]
    probed_at: float | None
    answered_at: float | None
    probe_words: str
    matrix: tuple[MatrixRow, ...]
    results: tuple[ResultChoice, ...]


@dataclass(frozen=True)
class Destinations:
    """All that are configured."""

    rows: tuple[DestinationRow, ...]


def list_destinations(session: Session, destinations: Sequence[Destination]) -> Destinations:
    """Read what is known of each.

    Parameters
    ----------
    session : Session
    destinations : sequence of Destination
    """
    counts: dict[str, dict[DeliveryState, int]] = {}
    for name, state, count in session.execute(
        select(Delivery.destination, Delivery.state, func.count()).group_by(
            Delivery.destination, Delivery.state
        )
    ):
        counts.setdefault(name, {})[state] = count
    return Destinations(tuple(_row(session, one, counts.get(one.name, {})) for one in destinations))


def _row(
    session: Session, destination: Destination, counts: dict[DeliveryState, int]
) -> DestinationRow:
    address = address_of(destination)
    circuit = session.get(Circuit, destination.name)
    probe = session.get(Probe, destination.name)

    def known(sop_class_uid: str) -> tuple[bool | None, str]:
        acceptance = accepts(session, destination, sop_class_uid)
        return acceptance.answer, acceptance.why

    return DestinationRow(
        destination.name,
        destination.kind,
        shown_address(address) if "://" in address else address,
        "closed" if circuit is None else circuit.state.value,
        0 if circuit is None else circuit.failures,
        None if circuit is None else circuit.opened_at,
        None if circuit is None else circuit.probe_at,
        None if circuit is None else circuit.words,
        counts,
        None if probe is None else probe.attempted_at,
        None if probe is None else probe.answered_at,
        "never asked" if probe is None else probe.words,
        _matrix(session, destination.name),
        tuple(
            ResultChoice(choice.rung.name, choice.made, choice.why)
            for choice in ladder(destination, known)
        ),
    )


def _matrix(session: Session, name: str) -> tuple[MatrixRow, ...]:
    rows = session.execute(
        select(Capability.sop_class_uid, Capability.transfer_syntax_uid, Capability.accepted).where(
            Capability.destination == name
        )
    ).all()
    said = {(sop_class, syntax): accepted for sop_class, syntax, accepted in rows}
    classes = sorted({sop_class for sop_class, _ in said}, key=class_name)
    syntaxes = sorted({syntax for _, syntax in said})
    return tuple(
        MatrixRow(
            class_name(one),
            tuple(Cell(UID(syntax).name, said.get((one, syntax))) for syntax in syntaxes),
        )
        for one in classes
    )
