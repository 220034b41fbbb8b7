"""A frame of an enhanced CT, with the attributes that the row of a single-frame slice has."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Row

from dicomnode.frames import Frame
from dicomnode.marks.slice_name import slice_name
from dicomnode.store.tables import Instance


@dataclass(frozen=True, eq=False)
class CtFrame:
    """One frame, read from the header of its object; the row of the object has the rest.

    Attributes
    ----------
    instance : Instance
        The object.
    frame : Frame
    stack : tuple of (str, int)
        Series Instance UID, and which of its stacks; the same for all frames of one stack.
    """

    instance: Instance
    frame: Frame
    stack: tuple[str, int]

    @property
    def name(self) -> str:
        """As `slice_name`."""
        return self.frame.name

    @property
    def number(self) -> int:
        """Frame number, from 1."""
        return self.frame.number

    @property
    def phase(self) -> tuple[object, ...]:
        """What beside its object tells the frame's time, energy and acquisition."""
        return self.frame.parts[1:]

    @property
    def sop_class_uid(self) -> str:
        """Of the object."""
        return self.instance.sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """Of the object."""
        return self.instance.sop_instance_uid

    @property
    def series_instance_uid(self) -> str:
        """Of the object."""
        return self.instance.series_instance_uid

    @property
    def study_instance_uid(self) -> str:
        """Of the object."""
        return self.instance.study_instance_uid

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Of the object: all frames lie in one space."""
        return self.instance.frame_of_reference_uid

    @property
    def modality(self) -> str:
        """Of the object."""
        return self.instance.modality

    @property
    def body_part(self) -> str:
        """Of the object."""
        return self.instance.body_part

    @property
    def study_description(self) -> str:
        """Of the object."""
        return self.instance.study_description

    @property
    def series_description(self) -> str:
        """Of the object."""
        return self.instance.series_description

    @property
    def path(self) -> str:
        """Of the object's file."""
        return self.instance.path

    @property
    def image_position(self) -> tuple[float, float, float] | None:
        """Centre of the frame's first pixel, LPS mm."""
        return None if self.frame.plane is None else self.frame.plane.position

    @property
    def image_orientation(self) -> tuple[float, ...] | None:
        """Direction cosines of a row, then of a column."""
        return None if self.frame.plane is None else self.frame.plane.orientation

    @property
    def pixel_spacing(self) -> tuple[float, float] | None:
        """Distance between rows, then between columns, mm."""
        return None if self.frame.plane is None else self.frame.plane.pixel_spacing

    @property
    def rows(self) -> int | None:
        """Of the object."""
        return self.instance.rows

    @property
    def columns(self) -> int | None:
        """Of the object."""
        return self.instance.columns

    @property
    def slice_thickness(self) -> float | None:
        """Of the frame, mm."""
        return self.frame.slice_thickness


CtImage = Instance | CtFrame
"""A slice that a mark can lie on."""


def name_of(image: CtImage | Row) -> str:
    """Name of a slice, as `slice_name`."""
    if isinstance(image, CtFrame):
        return image.name
    return slice_name(image.sop_instance_uid, None)
