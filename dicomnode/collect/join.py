"""Join one waiting lesion to its CT: find the slice, place the mark, route it, stack the slices."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.collect.admission import check_anatomy, check_patient
from dicomnode.collect.concatenation import in_parts
from dicomnode.collect.ct import SeriesOfPass, key_slice, missing, plane_of
from dicomnode.collect.ct_frame import CtImage, name_of
from dicomnode.collect.mask_on_ct import MaskOnCt, slice_of_series
from dicomnode.collect.mask_work import MasksOnCt
from dicomnode.collect.stack import NotYet, Unusable, stack_around
from dicomnode.marks import (
    AbsurdAxis,
    UndecodableFrame,
    Unplaceable,
    check_quality,
    place,
)
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.serialised import from_json
from dicomnode.routing import Candidate, ObjectHeader, Rule, first_match
from dicomnode.settings import CollectSettings
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Instance, Lesion
from pipelines.reach import reach_mm
from pipelines.recist import RecistAxes

__all__ = ["Joined", "Refused", "Waiting", "candidate_of", "join"]

SEG_STAYED_AWAY = "the SEG {} that the mark refers to did not come; it was segmented without"


@dataclass(frozen=True)
class Joined:
    """A lesion that is ready, unless another one stands for it.

    Attributes
    ----------
    key : Instance or CtFrame
        The slice that it was drawn on, or on which its mask is largest.
    axes : RecistAxes
        As drawn or, where only a mask was, measured on it.
    slices : tuple of str
        Names, as `slice_name`.
    rule : Rule
    warnings : tuple of str
    mark : LesionMark
        Without a segment whose SEG stayed away; of a concatenation it names the parts.
    absent_seg : str or None
        That SEG.
    """

    key: CtImage
    axes: RecistAxes
    slices: tuple[str, ...]
    rule: Rule
    warnings: tuple[str, ...]
    mark: LesionMark
    absent_seg: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A lesion that is not ready.

    Attributes
    ----------
    reason : str
    key : Instance, CtFrame or None
        A slice of its CT, where one is here.
    settles_at : float or None
        When its series, or what may come beside it, will count as complete.
    image, space : str or None
        Object or frame of reference that is waited for.
    """

    reason: str
    key: CtImage | None = None
    settles_at: float | None = None
    image: str | None = None
    space: str | None = None


@dataclass(frozen=True)
class Refused:
    """A lesion that nothing can mend."""

    reason: str
    key: CtImage | None = None


@dataclass(frozen=True)
class _OnCt:
    """A mark on its slice, and the stretch that the pipeline looks at."""

    key: CtImage
    axes: RecistAxes
    low_mm: float
    high_mm: float
    warnings: tuple[str, ...]


def join(
    session: Session,
    lesion: Lesion,
    rules: Sequence[Rule],
    settings: CollectSettings,
    known: SeriesOfPass,
    masks: MasksOnCt,
    may_be_fetched: Callable[[Session, Lesion, str], bool] = lambda *_: False,
) -> Joined | Waiting | Refused:
    """Decide about one waiting lesion from what is in the store now.

    Parameters
    ----------
    session : Session
        Read only.
    lesion : Lesion
    rules : sequence of Rule
        Tried in order; the first that matches decides.
    settings : CollectSettings
        A series that nothing was added to for the quiet period counts as complete. A lesion with a
        mask waits as long for other readers' masks.
    known : SeriesOfPass
        Gets what is read.
    masks : MasksOnCt
    may_be_fetched : callable
        Whether a source is still to be asked for slices of a series; then none counts as complete.
    """
    mark, absent = LesionMark(from_json(lesion.mark).opinions[:1]), None
    key = None
    try:
        if not any(rule.include_anatomy for rule in rules):
            check_anatomy(mark)  # no CT that may come, or be fetched, changes that
        absent = _absent(session, mark)
        if absent is not None:
            until = lesion.waiting_since + settings.seg_wait_s
            if len(mark.opinions[0].forms) == 1:  # there is nothing else
                raise NotYet(f"the SEG {absent} has not come", image=absent)
            if time.time() < until:
                words = f"the SEG {absent} has not come; it is waited for until {_clock(until)}"
                return Waiting(words, None, until)
            mark = LesionMark((replace(mark.opinions[0], segment=None),))
        mark = in_parts(session, mark, known)
        key = slice_of_series(session, mark, known) if mark.has_mask else None
        key = key or key_slice(session, mark.axes, known)
        rule, why = first_match(rules, candidate_of(session, lesion, key))
        if rule is None:
            raise Unusable(why)
        doubts = check_patient(session, mark, key, rule, known)
        if not rule.include_anatomy:
            check_anatomy(mark)
        if mark.has_mask:
            others_until = _last_mask(session, lesion, key) + settings.quiet_period_s
            if time.time() < others_until:
                return Waiting("other readers' masks of the lesion may come", key, others_until)
            found = masks.of(session, mark, key, known, lesion.id)
            placed = _with_mask(session, mark, found, known)
        else:
            placed = _on_slice(mark, key)
        key = placed.key
        series = known.slices(session, key)
        settles_at = _last_arrival(session, key) + settings.quiet_period_s
        quiet = time.time() >= settles_at
        settled = quiet and not may_be_fetched(session, lesion, key.series_instance_uid)
        settled = known.settled(session, key, settled)
    except NotYet as error:
        return Waiting(str(error), key, image=error.image, space=error.space)
    except (Unusable, Unplaceable, UndecodableFrame, AbsurdAxis) as error:
        return Refused(str(error), key)
    slice_ = next((s for s in series if s.name == name_of(key)), None)
    if slice_ is None:  # it came while the pass was under way
        return Waiting("the slices are being looked at", key, time.time())
    try:
        slices = stack_around(slice_, series, placed.low_mm, placed.high_mm, settled=settled)
    except NotYet as error:
        return Waiting(str(error), key, None if quiet else settles_at)
    except Unusable as error:
        return Refused(str(error), key)
    if absent is not None:
        doubts = (*doubts, SEG_STAYED_AWAY.format(absent))
    return Joined(
        key,
        placed.axes,
        tuple(s.name for s in slices),
        rule,
        (*doubts, *placed.warnings),
        mark,
        absent,
    )


def _absent(session: Session, mark: LesionMark) -> str | None:
    """The SEG that is referred to and has not come."""
    segment = mark.opinions[0].segment
    if segment is None:
        return None
    return next(iter(missing(session, [segment.seg_sop_instance_uid])), None)


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%H:%M:%S UTC")


def _on_slice(mark: LesionMark, key: CtImage) -> _OnCt:
    """Axes on the slice that they were drawn on."""
    axes = place(mark.axes, plane_of(key))
    low, high = _stretch(key, axes)
    return _OnCt(key, axes, low, high, _doubts(mark, axes, key))


def _with_mask(session: Session, mark: LesionMark, found: MaskOnCt, known: SeriesOfPass) -> _OnCt:
    """A mask on its series; with axes as they were drawn beside it, where they can be placed."""
    axes, warnings = found.axes, found.warnings
    if mark.axes is not None:
        try:
            slice_ = key_slice(session, mark.axes, known)
            drawn = place(mark.axes, plane_of(slice_))
            warnings = (*warnings, *_doubts(mark, drawn, slice_))
            axes = drawn
        except (NotYet, Unusable, Unplaceable, AbsurdAxis):
            warnings = (*warnings, "the axes beside the mask cannot be placed; it was measured")
    key = known.image(session, found.key_sop_instance_uid, found.key_frame)
    low, high = found.low_mm, found.high_mm
    if len(found.voxels) == 1:  # segmented from its axes, which reach farther
        reach = _stretch(key, axes)
        low, high = min(low, reach[0]), max(high, reach[1])
    return _OnCt(key, axes, low, high, warnings)


def _doubts(mark: LesionMark, axes: RecistAxes, key: CtImage) -> tuple[str, ...]:
    return check_quality(mark.axes, axes, slice_thickness=key.slice_thickness)


def _last_arrival(session: Session, key: CtImage) -> float:
    newest = session.scalar(
        select(func.max(Instance.received_at)).where(
            Instance.series_instance_uid == key.series_instance_uid
        )
    )
    return float(newest)


def _last_mask(session: Session, lesion: Lesion, key: CtImage) -> float:
    """When the newest mark came that waits on the same series."""
    newest = session.scalar(
        select(func.max(Lesion.waiting_since)).where(
            Lesion.series_instance_uid == key.series_instance_uid,
            Lesion.state == LesionState.WAITING,
        )
    )
    return max(float(newest or 0.0), lesion.waiting_since)


def _stretch(key: CtImage, axes: RecistAxes) -> tuple[float, float]:
    """What the pipeline looks at, as distances from the key slice along its normal, in mm."""
    orientation = key.image_orientation
    normal = np.cross(orientation[:3], orientation[3:])
    centre = float((axes.centre - np.asarray(key.image_position)) @ normal)
    reach = reach_mm(axes)
    return min(centre - reach, 0.0), max(centre + reach, 0.0)


def candidate_of(session: Session, lesion: Lesion, key: CtImage) -> Candidate:
    """What rules look at, of a lesion that has met its CT.

    Attributes of the mark are those of the object that brought it first; attributes of the CT are
    those of the image that it was drawn on.
    """
    source = session.get_one(Instance, lesion.source_sop_instance_uid)
    return Candidate(
        calling_ae=source.calling_ae,
        called_ae=source.called_ae,
        mark_sop_class=source.sop_class_uid,
        modality=key.modality,
        body_part=key.body_part,
        study_description=key.study_description,
        series_description=key.series_description,
        priority=source.priority,
        received_at=source.received_at,
        mark=ObjectHeader(source.path),
        ct=ObjectHeader(key.path),
    )
