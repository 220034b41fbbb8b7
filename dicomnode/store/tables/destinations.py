"""What is known of destinations: what they accept, and whether they answer."""

from __future__ import annotations

import time

from sqlalchemy import Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dicomnode.store.states import CircuitState
from dicomnode.store.tables.base import UID, Base, enumeration


class Probe(Base):
    """When a destination was last asked what it accepts, and how that went."""

    __tablename__ = "probe"

    destination: Mapped[str] = mapped_column(Text, primary_key=True)
    address: Mapped[str] = mapped_column(Text)
    """Whom the answers are from; another address makes them void."""
    attempted_at: Mapped[float]
    answered_at: Mapped[float | None]
    """When the answers that `capability` holds were given; None where there never was one."""
    words: Mapped[str] = mapped_column(Text)
    """What the last attempt came to."""


class Capability(Base):
    """Whether a destination accepts a SOP class in a transfer syntax."""

    __tablename__ = "capability"

    id: Mapped[int] = mapped_column(primary_key=True)
    destination: Mapped[str] = mapped_column(Text, index=True)
    sop_class_uid: Mapped[str] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    accepted: Mapped[bool]

    __table_args__ = (UniqueConstraint("destination", "sop_class_uid", "transfer_syntax_uid"),)


class Circuit(Base):
    """Whether the way to a destination works, over all that goes there.

    Kept over a restart: a node that starts while a destination is away does not begin by sending it
    everything, and the time since when it is away goes on.
    """

    __tablename__ = "circuit"

    destination: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[CircuitState] = mapped_column(enumeration(CircuitState))
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts in a row without an answer."""
    probes: Mapped[int] = mapped_column(default=0)
    """Of these, those that were made to find out whether it is back."""
    opened_at: Mapped[float | None]
    probe_at: Mapped[float | None]
    words: Mapped[str | None] = mapped_column(Text)
    """What the peer or the network said last."""
    changed_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)
