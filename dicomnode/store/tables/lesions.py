"""Lesions, what readers said of them, and what was found in the objects that brought them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dicomnode.store.states import Decision, LesionState
from dicomnode.store.tables.base import UID, Base, enumeration

if TYPE_CHECKING:
    from dicomnode.store.tables.results import Result
    from dicomnode.store.tables.retrievals import Retrieval


class Lesion(Base):
    """One thing to segment, from the mark to the published result."""

    __tablename__ = "lesion"

    id: Mapped[int] = mapped_column(primary_key=True)
    mark_key: Mapped[str] = mapped_column(String(64), unique=True)
    """Identity of the mark (`RecistMark.key`): the same mark never becomes two lesions."""
    mark: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The mark, as `dicomnode.marks.serialised` writes it."""
    source_sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    """The object that brought the mark first."""
    key_sop_instance_uid: Mapped[str | None] = mapped_column(UID, index=True)
    """The slice that the mark was drawn on; None until a mark in space has found it."""
    frame_of_reference_uid: Mapped[str | None] = mapped_column(UID, index=True)
    study_instance_uid: Mapped[str | None] = mapped_column(UID, index=True)
    series_instance_uid: Mapped[str | None] = mapped_column(UID, index=True)
    """The CT, once the slice is here."""
    tracking_uid: Mapped[str | None] = mapped_column(Text)
    """As the mark's author wrote it."""
    absent_seg: Mapped[str | None] = mapped_column(UID, index=True)
    """A SEG that the mark refers to, which did not come in time: it went on without."""
    replaced_by: Mapped[int | None] = mapped_column(ForeignKey("lesion.id"), index=True)
    """The lesion that stands for this one, or will once it is published; None where this one
    stands itself, or its mark is gone."""
    unsettled: Mapped[bool] = mapped_column(default=False, index=True)
    """Whether something changed about the lesion that stands for it, or the objects that hold it:
    it is to be compared with its neighbours again."""
    slices: Mapped[list[str] | None] = mapped_column(JSON)
    """SOP Instance UIDs of the volume's slices, in order along the normal."""
    long_axis: Mapped[list[list[float]] | None] = mapped_column(JSON)
    short_axis: Mapped[list[list[float]] | None] = mapped_column(JSON)
    """End points in LPS, mm."""
    rule: Mapped[str | None] = mapped_column(Text)
    method: Mapped[str | None] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    destinations: Mapped[list[str] | None] = mapped_column(JSON)
    dry_run: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether its rule only tries: it is segmented and kept, and sent nowhere."""
    wanted_results: Mapped[list[str] | None] = mapped_column(JSON)
    """Which results its rule asks for; None where the destinations say that."""
    state: Mapped[LesionState] = mapped_column(enumeration(LesionState), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    warnings: Mapped[list[str]] = mapped_column(JSON, default=list)
    attempts: Mapped[int] = mapped_column(default=0)
    """Failed ones, of the step that comes next."""
    soft_mask_path: Mapped[str | None] = mapped_column(Text)
    volume_ml: Mapped[float | None]
    seconds: Mapped[float | None]
    """Of computing, in the worker."""
    waiting_since: Mapped[float] = mapped_column(default=time.time)
    """When the mark came, or came again."""
    changed_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)

    results: Mapped[list[Result]] = relationship(back_populates="lesion", order_by="Result.id")
    replaced: Mapped[list[Lesion]] = relationship(order_by="Lesion.id")
    """Those that it stands for."""
    retrievals: Mapped[list[Retrieval]] = relationship(
        secondary="lesion_retrieval", back_populates="lesions", order_by="Retrieval.id"
    )
    verdicts: Mapped[list[Verdict]] = relationship(order_by="Verdict.id")


class Verdict(Base):
    """What a reader said of a lesion's soft mask; never changed, the last one counts."""

    __tablename__ = "verdict"

    id: Mapped[int] = mapped_column(primary_key=True)
    lesion_id: Mapped[int] = mapped_column(ForeignKey("lesion.id"), index=True)
    at: Mapped[float] = mapped_column(default=time.time)
    who: Mapped[str] = mapped_column(Text)
    """As the one who signed in is called."""
    decision: Mapped[Decision] = mapped_column(enumeration(Decision))
    reason: Mapped[str | None] = mapped_column(String(32))
    """Code of why it was rejected."""
    words: Mapped[str] = mapped_column(Text)
    """In the reader's own words; empty where they said nothing."""
    method: Mapped[str] = mapped_column(String(64))
    soft_mask: Mapped[str] = mapped_column(Text)
    """Digest (SHA-256) of the file that was judged: the lesion may get another one."""
    mended: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The soft mask that came of the trimap as the reader mended it, as its file would be; None
    where nothing was mended, or the study was deleted."""
    mended_digest: Mapped[str | None] = mapped_column(String(64))
    """Of `mended`; it stays when the study is deleted."""
    told: Mapped[bool] = mapped_column(default=False, server_default=false(), index=True)
    """Whether those destinations were told of it that want to be, or nobody does."""

    @property
    def stands_for(self) -> str:
        """Digest of the soft mask that the verdict is about: the mended one where there is one."""
        return self.mended_digest or self.soft_mask


class Finding(Base):
    """One item that a reader found in an object: a mark, or something it could not use."""

    __tablename__ = "finding"

    id: Mapped[int] = mapped_column(primary_key=True)
    source_sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    item: Mapped[str] = mapped_column(String(64))
    lesion_id: Mapped[int | None] = mapped_column(ForeignKey("lesion.id"), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it was refused; None where it became a lesion, or is one already."""
