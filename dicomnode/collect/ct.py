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

from dicomnode.collect.ct_frame import CtFrame, CtImage, name_of
from dicomnode.collect.enhanced import EnhancedSeries, suitable_frames, the_one_meant
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
from dicomnode.marks.lesion_mask import find_segment
from dicomnode.marks.quality import (
    CT_CLASSES,
    ENHANCED_CT_CLASSES,
    UnsuitableImage,
    check_image,
)
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
        self._enhanced: dict[str, EnhancedSeries] = {}
        self._concatenated: dict[str, str | None] = {}
        self._seg: tuple[str, MarkReading] | None = None
        self.patient_ids: dict[str, str] = {}
        """SOP Instance UID to Patient ID; never leaves memory."""

    def slices(self, session: Session, key: CtImage) -> tuple[Slice, ...]:
        """All CT slices of the key slice's series, without localizers.

        Of an enhanced series all frames of the stack that the key frame belongs to.

        Raises
        ------
        Unusable
            If a slice has no position.
        """
        uid = key.series_instance_uid
        if isinstance(key, CtFrame):
            return self.enhanced(session, uid).slices(key)
        if uid not in self._series:
            self._series[uid] = _slices(session, uid)
        return self._series[uid]

    def enhanced(self, session: Session, series_instance_uid: str) -> EnhancedSeries:
        """The frames of a series of enhanced CT.

        Raises
        ------
        Unusable
            If the frames of an object cannot be read.
        """
        if series_instance_uid not in self._enhanced:
            self._enhanced[series_instance_uid] = EnhancedSeries(session, series_instance_uid)
        return self._enhanced[series_instance_uid]

    def concatenated_in(self, session: Session, sop_instance_uid: str) -> str | None:
        """Series UID of the parts that are here of an image that is not; None where there are none.

        Parameters
        ----------
        session : Session
        sop_instance_uid : str
            As the parts name it, the SOP Instance UID of Concatenation Source (0020,0242).
        """
        if sop_instance_uid not in self._concatenated:
            self._concatenated[sop_instance_uid] = (
                None
                if session.get(Instance, sop_instance_uid) is not None
                else session.scalar(
                    select(Instance.series_instance_uid)
                    .where(
                        Instance.concatenation_source_uid == sop_instance_uid,
                        Instance.sop_class_uid.in_(ENHANCED_CT_CLASSES),
                    )
                    .limit(1)
                )
            )
        return self._concatenated[sop_instance_uid]

    def image(self, session: Session, sop_instance_uid: str, frame: int | None) -> CtImage:
        """An image that is here, or a frame of it.

        Raises
        ------
        NotYet
            If it has not come.
        Unusable
            If it is no single CT slice.
        """
        return named_slice(session, sop_instance_uid, frame, self)

    def settled(self, session: Session, key: CtImage, settled: bool) -> bool:
        """Whether the slices of a series are all there, given whether nothing more is awaited.

        A concatenation says itself how many parts it has (PS3.3 C.7.6.16.2.2.4).
        """
        if not isinstance(key, CtFrame):
            return settled
        whole = self.enhanced(session, key.series_instance_uid).is_whole(key)
        return settled if whole is None else whole

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


def key_slice(session: Session, mark: RecistMark, known: SeriesOfPass) -> CtImage:
    """The CT slice that axes were drawn on.

    Raises
    ------
    NotYet
        If it has not come.
    Unusable
        If it is no single CT slice.
    """
    if mark.referenced_sop_instance_uid is None:
        return _slice_in_space(session, mark, known)
    frame = mark.referenced_frame
    if frame is None and mark.in_space:
        return _frame_in_space(session, mark, known)
    return named_slice(session, mark.referenced_sop_instance_uid, frame, known)


def named_slice(
    session: Session, sop_instance_uid: str, frame: int | None, known: SeriesOfPass
) -> CtImage:
    """The CT slice of that UID, of an enhanced image that frame; as `key_slice`."""
    image = _named_image(session, sop_instance_uid)
    if image.sop_class_uid in ENHANCED_CT_CLASSES:
        return known.enhanced(session, image.series_instance_uid).frame(sop_instance_uid, frame)
    return image


def _named_image(session: Session, sop_instance_uid: str) -> Instance:
    image = session.get(Instance, sop_instance_uid)
    if image is None:
        raise NotYet(f"the image {sop_instance_uid} has not come", image=sop_instance_uid)
    try:
        check_image(image)
    except UnsuitableImage as problem:
        raise Unusable(str(problem)) from None
    return image


def ct_in_space(
    session: Session, frame_of_reference_uid: str, known: SeriesOfPass
) -> dict[CtImage, ImagePlane]:
    """All CT slices of a frame of reference that can be placed.

    Raises
    ------
    NotYet
        If there is none.
    """
    candidates = session.scalars(
        select(Instance).where(
            Instance.frame_of_reference_uid == frame_of_reference_uid,
            Instance.sop_class_uid.in_(CT_CLASSES),
        )
    ).all()
    planes: dict[CtImage, ImagePlane] = {}
    enhanced: dict[str, None] = {}
    for image in candidates:
        if image.sop_class_uid in ENHANCED_CT_CLASSES:
            enhanced[image.series_instance_uid] = None
        elif not _is_localizer(image):
            # A slice that cannot be placed is none that a mark could lie on.
            with contextlib.suppress(NoGeometry):
                planes[image] = plane_of(image)
    for uid in enhanced:
        with contextlib.suppress(Unusable):
            for frame in suitable_frames(known.enhanced(session, uid)):
                planes[frame] = frame.frame.plane
    if not planes:
        raise NotYet(
            f"no CT of the frame of reference {frame_of_reference_uid} has come",
            space=frame_of_reference_uid,
        )
    return planes


def plane_of(image: CtImage | Row) -> ImagePlane:
    """Place a slice in space; a mark in space may lie half its thickness off."""
    thickness = image.slice_thickness
    return ImagePlane.from_header(image, thickness if thickness and thickness > 0 else None)


def _slice_in_space(session: Session, mark: RecistMark, known: SeriesOfPass) -> CtImage:
    """The CT slice of the mark's frame of reference that lies nearest to its points."""
    return _nearest(mark, ct_in_space(session, mark.frame_of_reference_uid, known))


def _frame_in_space(session: Session, mark: RecistMark, known: SeriesOfPass) -> CtImage:
    """The image that a mark in space names or, of an enhanced one, the nearest frame."""
    image = _named_image(session, mark.referenced_sop_instance_uid)
    if image.sop_class_uid not in ENHANCED_CT_CLASSES:
        return image
    planes = {
        frame: frame.frame.plane
        for frame in suitable_frames(known.enhanced(session, image.series_instance_uid))
        if frame.sop_instance_uid == image.sop_instance_uid
    }
    if not planes:
        raise Unusable(f"no frame of the image {image.sop_instance_uid} is a CT slice with a place")
    return _nearest(mark, planes)


def _nearest(mark: RecistMark, planes: dict[CtImage, ImagePlane]) -> CtImage:
    """The slice that lies nearest to the points of a mark in space.

    Raises
    ------
    NotYet
        If the nearest is too far off.
    Unusable
        If frames of several stacks of one series are as near.
    """

    def distance(image: CtImage) -> tuple[float, float, str]:
        # Of two reconstructions that both hold the plane, the one with the thinner slices.
        away = round(off_plane_mm(mark, planes[image]), 2)
        return away, image.slice_thickness or np.inf, name_of(image)

    nearest = min(planes, key=distance)
    away = distance(nearest)[0]
    if isinstance(nearest, CtFrame):
        near = {
            image.stack: image
            for image in planes
            if isinstance(image, CtFrame)
            and image.series_instance_uid == nearest.series_instance_uid
            and distance(image)[0] == away
        }
        nearest = the_one_meant(list(near.values()), "the mark")
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
