"""What was done by hand, told, and deleted."""

from __future__ import annotations

import time

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dicomnode.store.states import JobAction, StudyState
from dicomnode.store.tables.base import UID, Base, enumeration


class JobTrace(Base):
    """That somebody took up, cancelled, discarded or judged a lesion or delivery; never changed."""

    __tablename__ = "job_trace"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(default=time.time)
    who: Mapped[str] = mapped_column(Text)
    """The user of the operating system, or as the one who signed in is called."""
    why: Mapped[str] = mapped_column(Text)
    """In their words; empty where they said nothing."""
    action: Mapped[JobAction] = mapped_column(enumeration(JobAction))
    kind: Mapped[str] = mapped_column(String(16))
    """Of what: "lesion", "delivery" or "circuit"."""
    subject: Mapped[str] = mapped_column(Text)
    """Id of the row, or name of the destination. The row itself may be gone by now."""
    before: Mapped[str] = mapped_column(String(16))
    after: Mapped[str] = mapped_column(String(16))
    """Its states."""

    __table_args__ = (Index(None, "kind", "subject"),)


class Alert(Base):
    """A condition that an administrator is told of, from when it arose until it has passed."""

    __tablename__ = "alert"

    condition: Mapped[str] = mapped_column(String(160), primary_key=True)
    """Which, and of what; the same for the same condition."""
    raised_at: Mapped[float] = mapped_column(default=time.time)
    told_at: Mapped[float | None]
    """When a message on it was last given to at least one channel."""
    recovered_at: Mapped[float | None]
    """When it had passed; the row goes once that was told."""
    words: Mapped[str] = mapped_column(Text)
    """What it is, in figures; no patient data."""


class Purge(Base):
    """That a study was deleted. This row stays, and so do its lesions, results and deliveries."""

    __tablename__ = "purge"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    at: Mapped[float] = mapped_column(default=time.time)
    """From then on the index does not know the study's instances."""
    finished_at: Mapped[float | None] = mapped_column(index=True)
    """When the last file was gone; None while some may be there."""
    who: Mapped[str] = mapped_column(Text)
    """The user of the operating system, or "retention"."""
    why: Mapped[str] = mapped_column(Text)
    state: Mapped[StudyState] = mapped_column(enumeration(StudyState))
    """What had become of it."""
    instances: Mapped[int]
    results: Mapped[int]
    """Objects that the node had made of it."""
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes of both."""
    files: Mapped[list[str]] = mapped_column(JSON)
    """Paths that are still to be deleted."""


class PurgedInstance(Base):
    """What is left of a received instance that was deleted with its study."""

    __tablename__ = "purged_instance"

    purge_id: Mapped[int] = mapped_column(ForeignKey("purge.id"), primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True, index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    sop_class_uid: Mapped[str] = mapped_column(UID)
    calling_ae: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[float]
