"""The CT that a mark was drawn on: its slice, its series."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import CTImageStorage
from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from dicomnode.collect.stack import NotYet, Slice, Unusable
from dicomnode.marks import (
    ImagePlane,
    MarkReading,
    NoGeometry,
    RecistMark,
    Segment,
    SegmentReference,
    off_plane_mm,
    read_marks,
)
from dicomnode.marks.lesion_mask import Voxels, find_segment
from dicomnode.marks.quality import UnsuitableImage, check_image
from dicomnode.store.tables import Instance

_GEOMETRY = (
    Instance.sop_instance_uid,
    Instance.image_type,
    Instance.instance_number,
    Instance.image_position,
    Instance.image_orientation,
    Instance.pixel_spacing,
    Instance.rows,
    Instance.columns,
    Instance.slice_thickness,
    Instance.frame_of_reference_uid,
)
"""What is looked at of each slice; whole rows of a large series would cost five times as much."""


class SeriesOfPass:
    """What was read for lesions that are looked at in one pass, so that it is read once."""

    def __init__(self) -> None:
        self._series: dict[str, tuple[Slice, ...]] = {}
        self._seg: tuple[str, MarkReading] | None = None
        self.patient_ids: dict[str, str] = {}
        """SOP Instance UID to Patient ID; never leaves memory."""
        self.voxels: dict[tuple[str, str], Voxels] = {}
        """Key of a mark and series to its voxels."""

    def slices(self, session: Session, key: Instance) -> tuple[Slice, ...]:
        """All CT slices of the key slice's series, without localizers.

        Raises
        ------
        Unusable
            If a slice has no position.
        """
        uid = key.series_instance_uid
        if uid not in self._series:
            self._series[uid] = _slices(session, uid)
        return self._series[uid]

    def segment(self, session: Session, reference: SegmentReference) -> Segment:
        """A segment of a SEG that is in the store, with pixels.

        The last SEG that was read is kept: its segments are looked at one after the other.

        Raises
        ------
        NotYet
            If the SEG has not come.
        dicomnode.marks.Unplaceable
            If it has no such segment.
        """
        uid = reference.seg_sop_instance_uid
        if self._seg is None or self._seg[0] != uid:
            instance = session.get(Instance, uid)
            if instance is None:
                raise NotYet(f"the SEG {uid} has not come", image=uid)
            self._seg = (uid, read_marks(pydicom.dcmread(Path(instance.path))))
        return find_segment(self._seg[1], reference)


def key_slice(session: Session, mark: RecistMark) -> Instance:
    """The CT slice that axes were drawn on.

    Raises
    ------
    NotYet
        If it has not come.
    Unusable
        If it is no single CT slice.
    """
    if mark.referenced_sop_instance_uid is None:
        return check_ct(_slice_in_space(session, mark))
    return named_slice(session, mark.referenced_sop_instance_uid)


def named_slice(session: Session, sop_instance_uid: str) -> Instance:
    """The CT slice of that UID; as `key_slice`."""
    key = session.get(Instance, sop_instance_uid)
    if key is None:
        raise NotYet(f"the image {sop_instance_uid} has not come", image=sop_instance_uid)
    return check_ct(key)


def check_ct(key: Instance) -> Instance:
    """Give back a single CT slice.

    Raises
    ------
    Unusable
        If it is something else.
    """
    try:
        check_image(key)
    except UnsuitableImage as problem:
        raise Unusable(str(problem)) from None
    if key.sop_class_uid != CTImageStorage:
        raise Unusable("the mark is on an enhanced CT; only single-frame CT is read so far")
    return key


def ct_in_space(session: Session, frame_of_reference_uid: str) -> dict[Instance, ImagePlane]:
    """All CT slices of a frame of reference that can be placed.

    Raises
    ------
    NotYet
        If there is none.
    """
    candidates = session.scalars(
        select(Instance).where(
            Instance.frame_of_reference_uid == frame_of_reference_uid,
            Instance.sop_class_uid == CTImageStorage,
        )
    ).all()
    planes = {}
    for image in candidates:
        if not _is_localizer(image):
            # A slice that cannot be placed is none that a mark could lie on.
            with contextlib.suppress(NoGeometry):
                planes[image] = plane_of(image)
    if not planes:
        raise NotYet(
            f"no CT of the frame of reference {frame_of_reference_uid} has come",
            space=frame_of_reference_uid,
        )
    return planes


def plane_of(image: Instance | Row) -> ImagePlane:
    """Place a slice in space; a mark in space may lie half its thickness off."""
    thickness = image.slice_thickness
    return ImagePlane.from_header(image, thickness if thickness and thickness > 0 else None)


def _slice_in_space(session: Session, mark: RecistMark) -> Instance:
    """The CT slice of the mark's frame of reference that lies nearest to its points."""
    planes = ct_in_space(session, mark.frame_of_reference_uid)

    def distance(image: Instance) -> tuple[float, float, str]:
        # Of two reconstructions that both hold the plane, the one with the thinner slices.
        away = round(off_plane_mm(mark, planes[image]), 2)
        return away, image.slice_thickness or np.inf, image.sop_instance_uid

    nearest = min(planes, key=distance)
    away = distance(nearest)[0]
    allowed = (nearest.slice_thickness or 1.0) / 2
    if away > allowed:
        raise NotYet(
            f"the nearest slice lies {away:.2f} mm from the mark's plane, expected at most "
            f"{allowed:.2f} mm; more may come"
        )
    return nearest


def _slices(session: Session, series_instance_uid: str) -> tuple[Slice, ...]:
    rows = session.execute(
        select(*_GEOMETRY).where(
            Instance.series_instance_uid == series_instance_uid,
            Instance.sop_class_uid == CTImageStorage,
        )
    ).all()
    images = [row for row in rows if not _is_localizer(row)]
    without = sum(not _has_geometry(image) for image in images)
    if without:
        raise Unusable(f"{without} of {len(images)} slices of the series have no position")
    return tuple(Slice(i.sop_instance_uid, plane_of(i), i.instance_number) for i in images)


def _has_geometry(image: Instance | Row) -> bool:
    return None not in (
        image.image_position,
        image.image_orientation,
        image.pixel_spacing,
        image.rows,
        image.columns,
    )


def _is_localizer(image: Instance | Row) -> bool:
    return "LOCALIZER" in (value.upper() for value in image.image_type)


def missing(session: Session, sop_instance_uids: Iterable[str]) -> list[str]:
    """Those that are not in the store, in the order given."""
    return [uid for uid in sop_instance_uids if session.get(Instance, uid) is None]
