"""Join one waiting lesion to its CT: find the slice, place the mark, route it, stack the slices."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.uid import CTImageStorage
from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from dicomnode.collect.stack import NotYet, Slice, Unusable, stack_around
from dicomnode.marks import (
    AbsurdAxis,
    ImagePlane,
    NoGeometry,
    RecistMark,
    Unplaceable,
    check_quality,
    off_plane_mm,
    place,
)
from dicomnode.marks.serialised import from_json
from dicomnode.routing import Candidate, Rule, first_match
from dicomnode.store.tables import Instance, Lesion
from pipelines.lesion import reach_mm
from pipelines.recist import RecistAxes

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


@dataclass(frozen=True)
class Joined:
    """A lesion that is ready: its mark in space, its slices, its rule."""

    key: Instance
    axes: RecistAxes
    slices: tuple[str, ...]
    rule: Rule
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Waiting:
    """A lesion that is not ready; `settles_at` is when its series will count as complete."""

    reason: str
    key: Instance | None = None
    settles_at: float | None = None


@dataclass(frozen=True)
class Refused:
    """A lesion that nothing can mend."""

    reason: str
    key: Instance | None = None


class SeriesOfPass(dict[str, tuple[Slice, ...]]):
    """Series Instance UID to its slices, for lesions that are looked at in one pass."""


def join(
    session: Session,
    lesion: Lesion,
    rules: Sequence[Rule],
    quiet_period_s: float,
    known: SeriesOfPass,
) -> Joined | Waiting | Refused:
    """Decide about one waiting lesion from what is in the store now.

    Parameters
    ----------
    session : Session
        Read only.
    lesion : Lesion
    rules : sequence of Rule
        Tried in order; the first that matches decides.
    quiet_period_s : float
        A series that nothing was added to for so long counts as complete.
    known : SeriesOfPass
        Gets the series that are read.
    """
    mark = from_json(lesion.mark)
    key = None
    try:
        key = _key_slice(session, mark)
        axes = place(mark, _plane(key))
        warnings = check_quality(mark, axes)
        rule, why = first_match(rules, _candidate(session, lesion, key))
        if rule is None:
            raise Unusable(why)
        series = known.get(key.series_instance_uid) or _series(session, key)
        known[key.series_instance_uid] = series
    except NotYet as error:
        return Waiting(str(error), key)
    except (Unusable, Unplaceable, AbsurdAxis) as error:
        return Refused(str(error), key)
    settles_at = _last_arrival(session, key) + quiet_period_s
    settled = time.time() >= settles_at
    low, high = _stretch(key, axes)
    key_slice = next((s for s in series if s.sop_instance_uid == key.sop_instance_uid), None)
    if key_slice is None:  # it came while the pass was under way
        return Waiting("the slices are being looked at", key, time.time())
    try:
        slices = stack_around(key_slice, series, low, high, settled=settled)
    except NotYet as error:
        return Waiting(str(error), key, None if settled else settles_at)
    except Unusable as error:
        return Refused(str(error), key)
    return Joined(key, axes, tuple(s.sop_instance_uid for s in slices), rule, tuple(warnings))


def _key_slice(session: Session, mark: RecistMark) -> Instance:
    if mark.referenced_sop_instance_uid is None:
        key = _slice_in_space(session, mark)
    else:
        key = session.get(Instance, mark.referenced_sop_instance_uid)
        if key is None:
            raise NotYet(f"the image {mark.referenced_sop_instance_uid} has not come")
    if key.number_of_frames is not None and key.number_of_frames > 1:
        raise Unusable("the mark is on a multi-frame image; only single-frame CT is read so far")
    if key.sop_class_uid != CTImageStorage:
        raise Unusable(f"the mark is on an image of modality {key.modality!r}, expected CT")
    if _is_localizer(key):
        raise Unusable("the mark is on a localizer, expected a CT slice")
    return key


def _slice_in_space(session: Session, mark: RecistMark) -> Instance:
    """The CT slice of the mark's frame of reference that lies nearest to its points."""
    candidates = session.scalars(
        select(Instance).where(
            Instance.frame_of_reference_uid == mark.frame_of_reference_uid,
            Instance.sop_class_uid == CTImageStorage,
        )
    ).all()
    planes = {}
    for image in candidates:
        if not _is_localizer(image):
            # A slice that cannot be placed is none that the mark could lie on.
            with contextlib.suppress(NoGeometry):
                planes[image] = _plane(image)
    if not planes:
        raise NotYet(f"no CT of the frame of reference {mark.frame_of_reference_uid} has come")

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


def _series(session: Session, key: Instance) -> tuple[Slice, ...]:
    """All CT slices of the key slice's series, without localizers."""
    rows = session.execute(
        select(*_GEOMETRY).where(
            Instance.series_instance_uid == key.series_instance_uid,
            Instance.sop_class_uid == CTImageStorage,
        )
    ).all()
    images = [row for row in rows if not _is_localizer(row)]
    without = sum(not _has_geometry(image) for image in images)
    if without:
        raise Unusable(f"{without} of {len(images)} slices of the series have no position")
    return tuple(Slice(i.sop_instance_uid, _plane(i), i.instance_number) for i in images)


def _last_arrival(session: Session, key: Instance) -> float:
    newest = session.scalar(
        select(func.max(Instance.received_at)).where(
            Instance.series_instance_uid == key.series_instance_uid
        )
    )
    return float(newest)


def _stretch(key: Instance, axes: RecistAxes) -> tuple[float, float]:
    """What the pipeline looks at, as distances from the key slice along its normal, in mm."""
    orientation = key.image_orientation
    normal = np.cross(orientation[:3], orientation[3:])
    centre = float((axes.centre - np.asarray(key.image_position)) @ normal)
    reach = reach_mm(axes)
    return min(centre - reach, 0.0), max(centre + reach, 0.0)


def _candidate(session: Session, lesion: Lesion, key: Instance) -> Candidate:
    source = session.get_one(Instance, lesion.source_sop_instance_uid)
    return Candidate(
        calling_ae=source.calling_ae,
        called_ae=source.called_ae,
        mark_sop_class=source.sop_class_uid,
        modality=key.modality,
        body_part=key.body_part,
        study_description=key.study_description,
        series_description=key.series_description,
    )


def _plane(image: Instance | Row) -> ImagePlane:
    """Place a slice in space; a mark in space may lie half its thickness off."""
    thickness = image.slice_thickness
    return ImagePlane.from_header(image, thickness if thickness and thickness > 0 else None)


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
