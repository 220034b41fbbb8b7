"""The tables. Times are seconds since 1970 (UTC), so that they compare on every database."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Enum,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from dicomnode.store.states import (
    CircuitState,
    CommitmentState,
    Confirmation,
    Decision,
    DeliveryState,
    InstanceState,
    JobAction,
    LesionState,
    ReportState,
    RetrievalState,
    StudyState,
    SummaryState,
)


class Base(DeclarativeBase):
    """Of all tables; constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _state(kind: type[StrEnum]) -> Enum:
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


_UID = String(64)


class Instance(Base):
    """One received SOP instance."""

    __tablename__ = "instance"

    sop_instance_uid: Mapped[str] = mapped_column(_UID, primary_key=True)
    sop_class_uid: Mapped[str] = mapped_column(_UID)
    study_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    series_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    transfer_syntax_uid: Mapped[str] = mapped_column(_UID)
    modality: Mapped[str] = mapped_column(Text)
    body_part: Mapped[str] = mapped_column(Text)
    study_description: Mapped[str] = mapped_column(Text)
    series_description: Mapped[str] = mapped_column(Text)
    image_type: Mapped[list[str]] = mapped_column(JSON)
    instance_number: Mapped[int | None]
    frame_of_reference_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    number_of_frames: Mapped[int | None]
    image_position: Mapped[list[float] | None] = mapped_column(JSON)
    image_orientation: Mapped[list[float] | None] = mapped_column(JSON)
    pixel_spacing: Mapped[list[float] | None] = mapped_column(JSON)
    slice_thickness: Mapped[float | None]
    concatenation_source_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    """The image that was divided into the concatenation that it is a part of."""
    calling_ae: Mapped[str] = mapped_column(Text)
    called_ae: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Of the C-STORE: "low", "medium" or "high"; empty where it came another way."""
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[float] = mapped_column(default=time.time)
    state: Mapped[InstanceState] = mapped_column(_state(InstanceState))

    __table_args__ = (Index(None, "state"),)


class Statement(Base):
    """When and by whom an object that may hold marks was made, as the object says."""

    __tablename__ = "statement"

    sop_instance_uid: Mapped[str] = mapped_column(_UID, primary_key=True)
    stated_at: Mapped[float | None]
    """When its content was made or last verified."""
    created_at: Mapped[float | None]
    """When the instance was created."""
    person: Mapped[str | None] = mapped_column(String(64))
    """Digest of who drew; no name is kept."""
    device: Mapped[str | None] = mapped_column(String(64))
    """Digest of the device."""
    predecessors: Mapped[list[str]] = mapped_column(JSON)
    """SOP Instance UIDs of the documents that it takes the place of."""


class Lesion(Base):
    """One thing to segment, from the mark to the published result."""

    __tablename__ = "lesion"

    id: Mapped[int] = mapped_column(primary_key=True)
    mark_key: Mapped[str] = mapped_column(String(64), unique=True)
    """Identity of the mark (`RecistMark.key`): the same mark never becomes two lesions."""
    mark: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The mark, as `dicomnode.marks.serialised` writes it."""
    source_sop_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    """The object that brought the mark first."""
    key_sop_instance_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    """The slice that the mark was drawn on; None until a mark in space has found it."""
    frame_of_reference_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    study_instance_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    series_instance_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    """The CT, once the slice is here."""
    tracking_uid: Mapped[str | None] = mapped_column(Text)
    """As the mark's author wrote it."""
    absent_seg: Mapped[str | None] = mapped_column(_UID, index=True)
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
    state: Mapped[LesionState] = mapped_column(_state(LesionState), index=True)
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
    decision: Mapped[Decision] = mapped_column(_state(Decision))
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
    source_sop_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    item: Mapped[str] = mapped_column(String(64))
    lesion_id: Mapped[int | None] = mapped_column(ForeignKey("lesion.id"), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it was refused; None where it became a lesion, or is one already."""


class Summary(Base):
    """Objects that hold all published lesions of one CT series by one rule and method.

    They are made anew when its lesions change; the newest takes the place of the one before.
    """

    __tablename__ = "summary"

    id: Mapped[int] = mapped_column(primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(_UID)
    rule: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(String(64))
    state: Mapped[SummaryState] = mapped_column(_state(SummaryState), index=True)
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
    source_sop_instance_uid: Mapped[str] = mapped_column(_UID, unique=True)
    """The object that holds the marks."""
    state: Mapped[SummaryState] = mapped_column(_state(SummaryState), index=True)
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
    sop_class_uid: Mapped[str] = mapped_column(_UID)
    sop_instance_uid: Mapped[str] = mapped_column(_UID, unique=True)
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


class Delivery(Base):
    """One result on its way to one destination."""

    __tablename__ = "delivery"

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"), index=True)
    destination: Mapped[str] = mapped_column(Text)
    state: Mapped[DeliveryState] = mapped_column(_state(DeliveryState), index=True)
    only_accepted: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it goes only once a reader has accepted the soft mask that the object was made of."""
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[float] = mapped_column(default=time.time, index=True)
    status: Mapped[int | None]
    """The peer's last C-STORE or HTTP status."""
    peer_words: Mapped[str | None] = mapped_column(Text)
    """What the peer or the network said last to its sending."""
    confirmation: Mapped[Confirmation | None] = mapped_column(_state(Confirmation), index=True)
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
    transaction_uid: Mapped[str] = mapped_column(_UID, unique=True)
    destination: Mapped[str] = mapped_column(Text)
    state: Mapped[CommitmentState] = mapped_column(_state(CommitmentState), index=True)
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
    transaction_uid: Mapped[str] = mapped_column(_UID)
    calling_ae: Mapped[str] = mapped_column(Text)
    """Who asked, and is told."""
    called_ae: Mapped[str] = mapped_column(Text)
    references: Mapped[list[list[Any]]] = mapped_column(JSON)
    """SOP Class and SOP Instance UID of each object that was asked about; once a report was made,
    also the failure reason that it gave (PS3.3 C.14.1.1), None where the object is committed."""
    state: Mapped[ReportState] = mapped_column(_state(ReportState), index=True)
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
    sop_class_uid: Mapped[str] = mapped_column(_UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(_UID)
    accepted: Mapped[bool]

    __table_args__ = (UniqueConstraint("destination", "sop_class_uid", "transfer_syntax_uid"),)


class Circuit(Base):
    """Whether the way to a destination works, over all that goes there.

    Kept over a restart: a node that starts while a destination is away does not begin by sending it
    everything, and the time since when it is away goes on.
    """

    __tablename__ = "circuit"

    destination: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[CircuitState] = mapped_column(_state(CircuitState))
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts in a row without an answer."""
    probes: Mapped[int] = mapped_column(default=0)
    """Of these, those that were made to find out whether it is back."""
    opened_at: Mapped[float | None]
    probe_at: Mapped[float | None]
    words: Mapped[str | None] = mapped_column(Text)
    """What the peer or the network said last."""
    changed_at: Mapped[float] = mapped_column(default=time.time, onupdate=time.time)


class JobTrace(Base):
    """That somebody took up, cancelled, discarded or judged a lesion or delivery; never changed."""

    __tablename__ = "job_trace"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float] = mapped_column(default=time.time)
    who: Mapped[str] = mapped_column(Text)
    """The user of the operating system, or as the one who signed in is called."""
    why: Mapped[str] = mapped_column(Text)
    """In their words; empty where they said nothing."""
    action: Mapped[JobAction] = mapped_column(_state(JobAction))
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


class Retrieval(Base):
    """Images that lesions wait for, to be fetched from a source.

    One of a series serves all lesions that wait for its slices. Where only an image or a frame of
    reference is known, the source is asked for their series, and each becomes a row of its own.
    """

    __tablename__ = "retrieval"

    id: Mapped[int] = mapped_column(primary_key=True)
    wanted: Mapped[str] = mapped_column(String(160), unique=True)
    """What is wanted, in words that are the same for the same images."""
    study_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    series_instance_uid: Mapped[str | None] = mapped_column(_UID, index=True)
    sop_instance_uid: Mapped[str | None] = mapped_column(_UID)
    """The image whose series is to be found."""
    frame_of_reference_uid: Mapped[str | None] = mapped_column(_UID)
    """Of the CT series that are to be found."""
    source: Mapped[str | None] = mapped_column(Text)
    """The source that was asked last."""
    refused_by: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Sources that said no for good."""
    state: Mapped[RetrievalState] = mapped_column(_state(RetrievalState), index=True)
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


class Purge(Base):
    """That a study was deleted. This row stays, and so do its lesions, results and deliveries."""

    __tablename__ = "purge"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    at: Mapped[float] = mapped_column(default=time.time)
    """From then on the index does not know the study's instances."""
    finished_at: Mapped[float | None] = mapped_column(index=True)
    """When the last file was gone; None while some may be there."""
    who: Mapped[str] = mapped_column(Text)
    """The user of the operating system, or "retention"."""
    why: Mapped[str] = mapped_column(Text)
    state: Mapped[StudyState] = mapped_column(_state(StudyState))
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
    sop_instance_uid: Mapped[str] = mapped_column(_UID, primary_key=True, index=True)
    series_instance_uid: Mapped[str] = mapped_column(_UID, index=True)
    sop_class_uid: Mapped[str] = mapped_column(_UID)
    calling_ae: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[float]
