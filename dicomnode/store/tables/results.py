"""Objects that the node made, and what they are of."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dicomnode.store.states import SummaryState
from dicomnode.store.tables.base import UID, Base, enumeration

if TYPE_CHECKING:
    from dicomnode.store.tables.deliveries import Delivery
    from dicomnode.store.tables.lesions import Lesion


class Summary(Base):
    """Objects that hold all published lesions of one CT series by one rule and method.

    They are made anew when its lesions change; the newest takes the place of the one before.
    """

    __tablename__ = "summary"

    id: Mapped[int] = mapped_column(primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    rule: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(String(64))
    state: Mapped[SummaryState] = mapped_column(enumeration(SummaryState), index=True)
    due_at: Mapped[float]
    """When it is made, unless a lesion of the series is still worked at."""
    changes: Mapped[int] = mapped_column(default=0)
    """How often its lesions have changed; what was made of an older count is made again."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Failed ones, since its lesions last changed."""
    reason: Mapped[str | None] = mapped_column(Text)

    results: Mapped[list[Result]] = relationship(back_populates="summary", order_by="Result.id")

    __table_args__ = (UniqueConstraint("series_instance_uid", "rule", "method"),)


class RefusalReport(Base):
    """What is sent back of the refused marks of one object: "not processed, because".

    It is made anew when its refusals change; the newest document takes the place of the one before.
    """

    __tablename__ = "refusal_report"

    id: Mapped[int] = mapped_column(primary_key=True)
    source_sop_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    """The object that holds the marks."""
    state: Mapped[SummaryState] = mapped_column(enumeration(SummaryState), index=True)
    waits_from: Mapped[float]
    """The quiet moment before it is made counts from here."""
    changes: Mapped[int] = mapped_column(default=0)
    """How often something became of its marks; what was made of an older count is made again."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Failed ones, since its refusals last changed."""
    told: Mapped[dict[str, list[list[str]]]] = mapped_column(JSON, default=dict)
    """Of each destination, the items and reasons that its newest document holds."""
    reason: Mapped[str | None] = mapped_column(Text)
    """What was decided last, for the administrator."""

    results: Mapped[list[Result]] = relationship(
        back_populates="refusal_report", order_by="Result.id"
    )


class Result(Base):
    """One object that the node made: of a lesion, of all lesions of a series, or of refusals."""

    __tablename__ = "result"

    id: Mapped[int] = mapped_column(primary_key=True)
    lesion_id: Mapped[int | None] = mapped_column(ForeignKey("lesion.id"), index=True)
    summary_id: Mapped[int | None] = mapped_column(ForeignKey("summary.id"), index=True)
    """One of this, `lesion_id` and `refusal_report_id` is set."""
    refusal_report_id: Mapped[int | None] = mapped_column(
        ForeignKey("refusal_report.id"), index=True
    )
    kind: Mapped[str] = mapped_column(String(32))
    sop_class_uid: Mapped[str] = mapped_column(UID)
    sop_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    verdict_id: Mapped[int | None] = mapped_column(ForeignKey("verdict.id"), index=True)
    """The verdict on the lesion that it tells of; None of what is made of the soft mask."""
    soft_mask: Mapped[str | None] = mapped_column(String(64))
    """Digest (SHA-256) of the soft mask's file that it was made of; None of several lesions, of
    refusals, and of what an older version made."""
    created_at: Mapped[float] = mapped_column(default=time.time)

    lesion: Mapped[Lesion | None] = relationship(back_populates="results")
    summary: Mapped[Summary | None] = relationship(back_populates="results")
    refusal_report: Mapped[RefusalReport | None] = relationship(back_populates="results")
    deliveries: Mapped[list[Delivery]] = relationship(back_populates="result")
