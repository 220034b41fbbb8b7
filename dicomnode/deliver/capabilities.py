"""What destinations accept, as far as they have said: the accept matrix, as rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from dicomnode.deliver.confirmation import HELD
from dicomnode.deliver.result_classes import class_name
from dicomnode.settings import (
    Destination,
    DicomDestination,
    FolderDestination,
    StowDestination,
)
from dicomnode.store.tables import Capability, Delivery, Probe, Result

_FOLDER = "a folder takes every object"


@dataclass(frozen=True)
class Offer:
    """One cell of the accept matrix."""

    sop_class_uid: str
    transfer_syntax_uid: str
    accepted: bool


@dataclass(frozen=True)
class ProbeOutcome:
    """What a probe came to.

    Attributes
    ----------
    answered : bool
        Whether the destination could be asked.
    words : str
        What it, or the network, said.
    offers : tuple of Offer
        Empty where the destination was not reached, or its kind cannot be asked.
    """

    answered: bool
    words: str
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True)
class Acceptance:
    """Whether a destination takes objects of a SOP class.

    Attributes
    ----------
    answer : bool or None
        None where that is not known.
    why : str
        Where the answer is from.
    transfer_syntaxes : tuple of str
        Those that it accepts, where it has said.
    """

    answer: bool | None
    why: str
    transfer_syntaxes: tuple[str, ...] = ()


def address_of(destination: Destination) -> str:
    """Whom a destination's answers are from."""
    match destination:
        case DicomDestination():
            return f"{destination.ae_title}@{destination.host}:{destination.port}"
        case StowDestination():
            return str(destination.url)
        case FolderDestination():
            return str(destination.path)


def record(session: Session, destination: Destination, outcome: ProbeOutcome) -> None:
    """Write down what a probe came to; a destination that could not be asked keeps its answers."""
    now = time.time()
    address = address_of(destination)
    probe = session.get(Probe, destination.name)
    if probe is None:
        probe = Probe(destination=destination.name, address=address)
        session.add(probe)
    probe.attempted_at = now
    probe.words = outcome.words
    if outcome.answered or probe.address != address:
        probe.address = address
        probe.answered_at = now if outcome.answered else None
        session.execute(delete(Capability).where(Capability.destination == destination.name))
        session.add_all(
            Capability(
                destination=destination.name,
                sop_class_uid=offer.sop_class_uid,
                transfer_syntax_uid=offer.transfer_syntax_uid,
                accepted=offer.accepted,
            )
            for offer in outcome.offers
        )


def accepts(session: Session, destination: Destination, sop_class_uid: str) -> Acceptance:
    """Say whether a destination takes objects of a SOP class, and how that is known.

    Parameters
    ----------
    session : Session
    destination : Destination
    sop_class_uid : str

    Returns
    -------
    Acceptance
        Of the last probe that was answered; where that says nothing, of what the destination has
        taken before; else not known.
    """
    if isinstance(destination, FolderDestination):
        return Acceptance(True, _FOLDER)
    probe = session.get(Probe, destination.name)
    here = probe is not None and probe.address == address_of(destination)
    cells = _cells(session, destination.name, sop_class_uid) if here else []
    if cells:
        return _as_said(cells, sop_class_uid, f"on {_day(probe.answered_at)}")
    taken = session.scalar(
        select(Delivery.accepted_at)
        .join(Delivery.result)
        .where(
            Delivery.destination == destination.name,
            Result.sop_class_uid == sop_class_uid,
            Delivery.state.in_(HELD),
            Delivery.accepted_at.is_not(None),
        )
        .order_by(Delivery.accepted_at.desc())
        .limit(1)
    )
    if taken is not None:
        return Acceptance(True, f"it took one on {_day(taken)}")
    return _not_known(destination)


def accepts_now(destination: Destination, outcome: ProbeOutcome, sop_class_uid: str) -> Acceptance:
    """As `accepts`, of a probe that is not written down."""
    if isinstance(destination, FolderDestination):
        return Acceptance(True, _FOLDER)
    cells = [offer for offer in outcome.offers if offer.sop_class_uid == sop_class_uid]
    return _as_said(cells, sop_class_uid, "now") if cells else _not_known(destination)


def _as_said(
    cells: Sequence[Capability] | Sequence[Offer], sop_class_uid: str, when: str
) -> Acceptance:
    syntaxes = tuple(cell.transfer_syntax_uid for cell in cells if cell.accepted)
    said = "accepted" if syntaxes else "did not accept"
    why = f"it {said} {class_name(sop_class_uid)} when it was probed {when}"
    return Acceptance(bool(syntaxes), why, syntaxes)


def _not_known(destination: Destination) -> Acceptance:
    if isinstance(destination, StowDestination):
        return Acceptance(None, "a DICOMweb server does not say what it takes")
    return Acceptance(None, "it was not probed yet")


def matrix(session: Session, destination: str) -> Sequence[Capability]:
    """All cells of a destination's accept matrix."""
    return session.scalars(
        select(Capability).where(Capability.destination == destination).order_by(Capability.id)
    ).all()


@dataclass(frozen=True)
class LastProbe:
    """The last probe of a destination.

    Attributes
    ----------
    attempted_at : float
    answered : bool
        Whether it was answered.
    """

    attempted_at: float
    answered: bool


def last_probe(session: Session, destination: Destination) -> LastProbe | None:
    """The last probe of a destination; None where there was none at its present address."""
    probe = session.get(Probe, destination.name)
    if probe is None or probe.address != address_of(destination):
        return None
    return LastProbe(probe.attempted_at, probe.answered_at == probe.attempted_at)


def _cells(session: Session, destination: str, sop_class_uid: str) -> Sequence[Capability]:
    return session.scalars(
        select(Capability).where(
            Capability.destination == destination, Capability.sop_class_uid == sop_class_uid
        )
    ).all()


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
