"""Images that lesions wait for, to be fetched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import JSON, Column, ForeignKey, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dicomnode.store.states import RetrievalState
from dicomnode.store.tables.base import UID, Base, enumeration

if TYPE_CHECKING:
    from dicomnode.store.tables.lesions import Lesion


class Retrieval(Base):
    """Images that lesions wait for, to be fetched from a source.

    One of a series serves all lesions that wait for its slices. Where only an image or a frame of
    reference is known, the source is asked for their series, and each becomes a row of its own.
    """

    __tablename__ = "retrieval"

    id: Mapped[int] = mapped_column(primary_key=True)
    wanted: Mapped[str] = mapped_column(String(160), unique=True)
    """What is wanted, in words that are the same for the same images."""
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    series_instance_uid: Mapped[str | None] = mapped_column(UID, index=True)
    sop_instance_uid: Mapped[str | None] = mapped_column(UID)
    """The image whose series is to be found."""
    frame_of_reference_uid: Mapped[str | None] = mapped_column(UID)
    """Of the CT series that are to be found."""
    source: Mapped[str | None] = mapped_column(Text)
    """The source that was asked last."""
    refused_by: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Sources that said no for good."""
    state: Mapped[RetrievalState] = mapped_column(enumeration(RetrievalState), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[float] = mapped_column(default=time.time, index=True)
    instances: Mapped[int] = mapped_column(default=0)
    """Received by all attempts together."""
    status: Mapped[int | None]
    """The peer's last DIMSE or HTTP status."""
    peer_words: Mapped[str | None] = mapped_column(Text)
    """What the peer or the network said last."""
    created_at: Mapped[float] = mapped_column(default=time.time)
    changed_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)

    lesions: Mapped[list[Lesion]] = relationship(
        secondary="lesion_retrieval", back_populates="retrievals", order_by="Lesion.id"
    )


lesion_retrieval = Table(
    "lesion_retrieval",
    Base.metadata,
    Column("lesion_id", ForeignKey("lesion.id"), primary_key=True),
    Column("retrieval_id", ForeignKey("retrieval.id"), primary_key=True, index=True),
)
"""Which lesions wait for which images."""
