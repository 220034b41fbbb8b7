"""What came: instances, and what their headers say of who made them."""

from __future__ import annotations

import time

from sqlalchemy import JSON, BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from dicomnode.store.states import InstanceState
from dicomnode.store.tables.base import UID, Base, enumeration


class Instance(Base):
    """One received SOP instance."""

    __tablename__ = "instance"

    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    sop_class_uid: Mapped[str] = mapped_column(UID)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    modality: Mapped[str] = mapped_column(Text)
    body_part: Mapped[str] = mapped_column(Text)
    study_description: Mapped[str] = mapped_column(Text)
    series_description: Mapped[str] = mapped_column(Text)
    image_type: Mapped[list[str]] = mapped_column(JSON)
    instance_number: Mapped[int | None]
    frame_of_reference_uid: Mapped[str | None] = mapped_column(UID, index=True)
    rows: Mapped[int | None]
    columns: Mapped[int | None]
    number_of_frames: Mapped[int | None]
    image_position: Mapped[list[float] | None] = mapped_column(JSON)
    image_orientation: Mapped[list[float] | None] = mapped_column(JSON)
    pixel_spacing: Mapped[list[float] | None] = mapped_column(JSON)
    slice_thickness: Mapped[float | None]
    concatenation_source_uid: Mapped[str | None] = mapped_column(UID, index=True)
    """The image that was divided into the concatenation that it is a part of."""
    calling_ae: Mapped[str] = mapped_column(Text)
    called_ae: Mapped[str] = mapped_column(Text)
    priority: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Of the C-STORE: "low", "medium" or "high"; empty where it came another way."""
    path: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[float] = mapped_column(default=time.time)
    state: Mapped[InstanceState] = mapped_column(enumeration(InstanceState))

    __table_args__ = (Index(None, "state"),)


class Statement(Base):
    """When and by whom an object that may hold marks was made, as the object says."""

    __tablename__ = "statement"

    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
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
