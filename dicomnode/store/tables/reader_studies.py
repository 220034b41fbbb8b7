"""The tables of reader studies: what is shown to whom in which order, and what they answered."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from dicomnode.store.tables.base import Base


class ReaderStudy(Base):
    """One study: readers choose, blindly, among candidate masks of lesions."""

    __tablename__ = "reader_study"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(48), unique=True)
    title: Mapped[str] = mapped_column(Text)
    question: Mapped[str] = mapped_column(Text)
    display: Mapped[str] = mapped_column(String(16))
    """How candidates are shown: as `dicomnode.reader_study.definition` says."""
    asks_origin: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether readers also say of each candidate who made it."""
    seed: Mapped[int] = mapped_column(BigInteger)
    """Of all that is drawn by lot."""
    readers: Mapped[list[str]] = mapped_column(JSON)
    """Who may take part; empty where every viewer may."""
    candidates: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Name and origin of each, and how it was made; the same for all cases."""
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The file that it was made of."""
    made_at: Mapped[float] = mapped_column(default=time.time)
    made_by: Mapped[str] = mapped_column(Text)
    closed_at: Mapped[float | None]
    """From then on nobody answers, and results are shown."""
    closed_by: Mapped[str | None] = mapped_column(Text)

    cases: Mapped[list[ReaderStudyCase]] = relationship(order_by="ReaderStudyCase.number")
    presentations: Mapped[list[ReaderStudyPresentation]] = relationship(
        order_by="ReaderStudyPresentation.id"
    )


class ReaderStudyCase(Base):
    """One lesion of a study with its candidates, in a file of its own."""

    __tablename__ = "reader_study_case"

    id: Mapped[int] = mapped_column(primary_key=True)
    reader_study_id: Mapped[int] = mapped_column(ForeignKey("reader_study.id"), index=True)
    number: Mapped[int]
    """From 1; readers never see it."""
    name: Mapped[str] = mapped_column(Text)
    """Of the lesion where it came from; readers never see it."""
    repeated: Mapped[bool]
    """Whether each reader sees it twice."""
    lesion_id: Mapped[int | None] = mapped_column(ForeignKey("lesion.id"), index=True)
    """Of the node, where it is one of the node's."""
    study_instance_uid: Mapped[str | None] = mapped_column(String(64), index=True)
    """The study that its voxels came from: when that is deleted, so is the file."""
    path: Mapped[str] = mapped_column(Text)
    """Its voxels; empty once they were deleted."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the file."""
    size: Mapped[int] = mapped_column(BigInteger)
    provenance: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """How each candidate of this case was made, in the order of the study's candidates."""

    __table_args__ = (UniqueConstraint("reader_study_id", "number"),)


class ReaderStudyPresentation(Base):
    """One case as one reader sees it. All of a reader's are made when the reader begins."""

    __tablename__ = "reader_study_presentation"

    id: Mapped[int] = mapped_column(primary_key=True)
    reader_study_id: Mapped[int] = mapped_column(ForeignKey("reader_study.id"), index=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("reader_study_case.id"), index=True)
    reader: Mapped[str] = mapped_column(Text)
    """As the one who signed in is called."""
    number: Mapped[int]
    """From 1, in the reader's order."""
    repeat: Mapped[bool]
    shown_order: Mapped[list[int]] = mapped_column(JSON)
    """Index of the candidate that is called A, that is called B, and so on."""
    shown_at: Mapped[float | None]
    """When its voxels were first sent to the reader."""

    case: Mapped[ReaderStudyCase] = relationship()
    answers: Mapped[list[ReaderStudyAnswer]] = relationship(order_by="ReaderStudyAnswer.id")

    __table_args__ = (UniqueConstraint("reader_study_id", "reader", "number"),)


class ReaderStudyAnswer(Base):
    """What a reader answered; never changed, the last one counts."""

    __tablename__ = "reader_study_answer"

    id: Mapped[int] = mapped_column(primary_key=True)
    presentation_id: Mapped[int] = mapped_column(
        ForeignKey("reader_study_presentation.id"), index=True
    )
    at: Mapped[float] = mapped_column(default=time.time)
    chosen: Mapped[int]
    """Index of the candidate."""
    seconds: Mapped[float | None]
    """While the page showed the case, until the answer; None where no script counted them."""
    judged: Mapped[list[str] | None] = mapped_column(JSON)
    """What the reader took each candidate for, by its index; None where that is not asked."""
    words: Mapped[str] = mapped_column(Text)
    """In the reader's own words; empty where they said nothing."""
