"""What comes in through any door: a file and its identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class InstanceHeader:
    """The attributes of one instance that the node routes and joins by.

    Geometry is None where the instance has none, or none that can be read; it never makes an
    instance unacceptable. Texts are stripped; absent ones are empty.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    modality: str = ""
    body_part: str = ""
    study_description: str = ""
    series_description: str = ""
    image_type: tuple[str, ...] = ()
    instance_number: int | None = None
    frame_of_reference_uid: str | None = None
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    image_position: tuple[float, float, float] | None = None
    image_orientation: tuple[float, float, float, float, float, float] | None = None
    pixel_spacing: tuple[float, float] | None = None
    slice_thickness: float | None = None
    concatenation_source_uid: str | None = None


@dataclass(frozen=True)
class ReceivedInstance:
    """One instance on disk, fsynced under its final name.

    Attributes
    ----------
    path : Path
        The Part 10 file.
    size : int
        Bytes on disk.
    calling_ae, called_ae : str
        AE titles of the association; empty for files from a folder.
    priority : str
        Of the C-STORE (PS3.7 9.1.1.1.5): "low", "medium" or "high"; else empty.
    new : bool
        False where an identical one was here already.
    """

    path: Path
    size: int
    header: InstanceHeader
    calling_ae: str = ""
    called_ae: str = ""
    priority: str = ""
    new: bool = True
