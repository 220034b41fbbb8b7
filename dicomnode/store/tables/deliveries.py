"""Results on their way, and storage commitment in both directions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Column, ForeignKey, Table, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dicomnode.store.states import CommitmentState, Confirmation, DeliveryState, ReportState
from dicomnode.store.tables.base import UID, Base, enumeration

if TYPE_CHECKING:
    from dicomnode.store.tables.results import Result


class Delivery(Base):
    """One result on its way to one destination."""

    __tablename__ = "delivery"

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"), index=True)
    destination: Mapped[str] = mapped_column(Text)
    state: Mapped[DeliveryState] = mapped_column(enumeration(DeliveryState), index=True)
    only_accepted: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it goes only once a reader has accepted the soft mask that the object was made of."""
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[float] = mapped_column(default=time.time, index=True)
    status: Mapped[int | None]
    """The peer's last C-STORE or HTTP status."""
    peer_words: Mapped[str | None] = mapped_column(Text)
    """What the peer or the network said last to its sending."""
    confirmation: Mapped[Confirmation | None] = mapped_column(enumeration(Confirmation), index=True)
    """What is still to be done; None where `state` is as far as it gets."""
    confirm_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    """Requests for commitment, or attempts to read it back, since that step was begun."""
    resends: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often it was sent again because the peer said that it does not have it."""
    accepted_at: Mapped[float | None]
    committed_at: Mapped[float | None]
    verified_at: Mapped[float | None]
    verified_by: Mapped[str | None] = mapped_column(Text)
    """How it was read back, and what was compared."""
    commit_words: Mapped[str | None] = mapped_column(Text)
    """What was said last of its commitment, or why it is not committed."""
    verify_words: Mapped[str | None] = mapped_column(Text)
    """What was said last of its reading back, or why it is not verified."""
    changed_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)

    result: Mapped[Result] = relationship(back_populates="deliveries")
    commitments: Mapped[list[Commitment]] = relationship(
        secondary="commitment_delivery", back_populates="deliveries", order_by="Commitment.id"
    )

    __table_args__ = (UniqueConstraint("result_id", "destination"),)


class Commitment(Base):
    """One request for storage commitment (PS3.4 J.3.2), kept until and after it is reported."""

    __tablename__ = "commitment"

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_uid: Mapped[str] = mapped_column(UID, unique=True)
    destination: Mapped[str] = mapped_column(Text)
    state: Mapped[CommitmentState] = mapped_column(enumeration(CommitmentState), index=True)
    words: Mapped[str | None] = mapped_column(Text)
    """What the peer said of it."""
    asked_at: Mapped[float] = mapped_column(default=time.time)
    reported_at: Mapped[float | None]

    deliveries: Mapped[list[Delivery]] = relationship(
        secondary="commitment_delivery", back_populates="commitments", order_by="Delivery.id"
    )


commitment_delivery = Table(
    "commitment_delivery",
    Base.metadata,
    Column("commitment_id", ForeignKey("commitment.id"), primary_key=True),
    Column("delivery_id", ForeignKey("delivery.id"), primary_key=True, index=True),
)
"""Which deliveries a request was for."""


class CommitmentReport(Base):
    """One request that a peer made of the node, and the report that it is owed."""

    __tablename__ = "commitment_report"

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_uid: Mapped[str] = mapped_column(UID)
    calling_ae: Mapped[str] = mapped_column(Text)
    """Who asked, and is told."""
    called_ae: Mapped[str] = mapped_column(Text)
    references: Mapped[list[list[Any]]] = mapped_column(JSON)
    """SOP Class and SOP Instance UID of each object that was asked about; once a report was made,
    also the failure reason that it gave (PS3.3 C.14.1.1), None where the object is committed."""
    state: Mapped[ReportState] = mapped_column(enumeration(ReportState), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[float] = mapped_column(default=time.time)
    failures: Mapped[int | None]
    """Objects that were not committed, by the last report that was made."""
    status: Mapped[int | None]
    """The peer's last N-EVENT-REPORT status."""
    peer_words: Mapped[str | None] = mapped_column(Text)
    asked_at: Mapped[float] = mapped_column(default=time.time)
    changed_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)

    __table_args__ = (UniqueConstraint("transaction_uid", "calling_ae"),)
