"""How a lesion that has met its CT relates to lesions that are there already.

- The same mark in another object (SR and GSPS, or saved again): nothing new is made.
- A changed mark: the lesion takes the place of its predecessor.
- Another reader's mask of the same lesion: the lesion takes the place of the one that is there,
  and keeps its opinions beside its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.collect.ct import SeriesOfPass
from dicomnode.collect.mask_on_ct import mask_on_ct
from dicomnode.collect.stack import NotYet, Unusable
from dicomnode.marks import UndecodableFrame, Unplaceable
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.lesion_mask import Voxels
from dicomnode.marks.same_lesion import overlap
from dicomnode.marks.serialised import from_json
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Finding, Instance, Lesion
from pipelines.recist import RecistAxes

SAME_PIXELS = 0.5
"""End points no farther apart than this are one mark: some viewers count from pixel centres."""

SAME_MASK = 0.999
"""Masks that overlap so much are one: both were saved from the same voxels."""

SAME_LESION = 0.1
"""Masks of two readers that overlap so much (intersection over union) are of one lesion. With
less, one rather holds the other: a lesion in an organ."""

_ALIVE = (LesionState.READY, LesionState.SEGMENTED, LesionState.PUBLISHED)


@dataclass(frozen=True)
class Kinship:
    """What a lesion has to do with others.

    Attributes
    ----------
    mark : LesionMark
        Its own opinions, and those that it takes over.
    same_as : int or None
        The lesion that is the same: this one is not needed.
    reason : str
        Why it is not needed.
    supersedes : tuple of (int, str)
        Lesions whose place it takes, and why.
    """

    mark: LesionMark
    same_as: int | None = None
    reason: str = ""
    supersedes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Placed:
    """A lesion on its CT.

    Attributes
    ----------
    lesion : Lesion
    mark : LesionMark
    key : Instance
        The slice that it was drawn on.
    axes : RecistAxes
    voxels : Voxels or None
        None where it has only axes.
    """

    lesion: Lesion
    mark: LesionMark
    key: Instance
    axes: RecistAxes
    voxels: Voxels | None


def kinship(session: Session, placed: Placed, known: SeriesOfPass) -> Kinship:
    """Compare a lesion with all others of its CT series that are ready or done.

    Two lesions of one object are two, so only others are looked at. Of several that a predecessor
    may be by their place, and of several of one other object, the one that overlaps most counts.

    Parameters
    ----------
    session : Session
    placed : Placed
        About to become ready.
    known : SeriesOfPass
    """
    found: list[_Kin] = []
    for other in _others(session, placed):
        kin = _Kin(other, from_json(other.mark))
        if _objects(kin.mark) & _objects(placed.mark) or _far(placed, other):
            continue
        kin.shared = _shared(session, placed, kin.mark, known)
        if not _is_same(placed, kin) and placed.mark.key not in {o.key for o in kin.mark.opinions}:
            found.append(kin)
        elif placed.voxels is None or kin.mark.has_mask:
            return Kinship(placed.mark, other.id, f"the same mark as lesion {other.id}")
        else:
            kin.why = "the mark came with a mask"
            found.append(kin)
    series = _series_of_source(session, placed.mark)
    _name_versions(session, placed, found, series)
    for kin in found:
        if kin.is_version and placed.voxels is None and kin.mark.has_mask:
            return Kinship(placed.mark, kin.lesion.id, f"lesion {kin.lesion.id} has its mask")
        if kin.is_version and kin.lesion.waiting_since > placed.lesion.waiting_since:
            return Kinship(placed.mark, kin.lesion.id, f"lesion {kin.lesion.id} is a newer mark")
    _name_readers(found)
    mark = placed.mark
    for kin in found:
        if kin.why is not None:
            mark = _with_readers(session, mark, kin.mark, series)
    taken = tuple((kin.lesion.id, kin.why) for kin in found if kin.why is not None)
    return Kinship(mark, supersedes=taken)


@dataclass
class _Kin:
    """Another lesion: how far its mask and ours overlap, and why ours takes its place."""

    lesion: Lesion
    mark: LesionMark
    shared: float | None = None
    why: str | None = None
    is_version: bool = False


def _others(session: Session, placed: Placed) -> list[Lesion]:
    """Lesions on the same series that our object does not hold as well."""
    ours = select(Finding.lesion_id).where(
        Finding.source_sop_instance_uid.in_(_objects(placed.mark)), Finding.lesion_id.is_not(None)
    )
    return list(
        session.scalars(
            select(Lesion)
            .where(
                Lesion.series_instance_uid == placed.key.series_instance_uid,
                Lesion.id != placed.lesion.id,
                Lesion.id.not_in(ours),
                Lesion.state.in_(_ALIVE),
            )
            .order_by(Lesion.id)
        )
    )


def _objects(mark: LesionMark) -> set[str]:
    return {opinion.source_sop_instance_uid for opinion in mark.opinions}


def _far(placed: Placed, other: Lesion) -> bool:
    """Whether two lesions are so far apart that nobody could mean one by both."""
    axes = _axes(other)
    apart = float(np.linalg.norm(axes.centre - placed.axes.centre))
    return apart > 3 * (axes.long_mm + placed.axes.long_mm)


def _axes(lesion: Lesion) -> RecistAxes:
    return RecistAxes(lesion.long_axis, lesion.short_axis)


def _shared(
    session: Session, placed: Placed, theirs: LesionMark, known: SeriesOfPass
) -> float | None:
    """Intersection over union of two masks; None where one has none."""
    if placed.voxels is None or not theirs.has_mask:
        return None
    place = (theirs.key, placed.key.series_instance_uid)
    if place not in known.voxels:
        try:
            known.voxels[place] = mask_on_ct(session, theirs, placed.key, known).voxels
        except (NotYet, Unusable, Unplaceable, UndecodableFrame):
            known.voxels[place] = {}
    return overlap(placed.voxels, known.voxels[place])


def _is_same(placed: Placed, kin: _Kin) -> bool:
    if kin.shared is not None:
        return kin.shared >= SAME_MASK
    if placed.mark.axes is None or kin.mark.axes is None:
        return False
    only_axes = placed.voxels is None and not kin.mark.has_mask
    if only_axes and kin.lesion.key_sop_instance_uid != placed.key.sop_instance_uid:
        return False
    return _agree(placed.axes, _axes(kin.lesion), SAME_PIXELS * max(placed.key.pixel_spacing))


def _agree(one: RecistAxes, other: RecistAxes, near_mm: float) -> bool:
    """Whether all end points lie near each other, in each direction."""
    for mine, theirs in ((one.long_axis, other.long_axis), (one.short_axis, other.short_axis)):
        if (mine is None) != (theirs is None):
            return False
        if mine is not None:
            apart = min(np.abs(mine - order).max() for order in (theirs, theirs[::-1]))
            if apart > near_mm * (1 + 1e-3):
                return False
    return True


def _name_versions(session: Session, placed: Placed, found: list[_Kin], series: set[str]) -> None:
    """Find what is one mark at different times.

    Those have one tracking UID, or come from one series and lie at nearly the same place.
    """
    by_place = []
    for kin in found:
        mine = placed.mark.tracking_uid
        if mine is not None and mine == kin.mark.tracking_uid:
            kin.is_version = True
        elif series & _series_of_source(session, kin.mark):
            nearness = _nearness(placed, kin)
            if nearness > 0:
                by_place.append((nearness, -kin.lesion.id, kin))
    if by_place and not any(kin.is_version for kin in found):
        max(by_place, key=lambda entry: entry[:2])[2].is_version = True
    for kin in found:
        if kin.is_version:
            came = placed.voxels is not None and not kin.mark.has_mask
            kin.why = kin.why or ("the mark came with a mask" if came else "the mark was changed")


def _nearness(placed: Placed, kin: _Kin) -> float:
    """More than 0 for marks at nearly the same place."""
    if kin.shared is not None:
        return kin.shared if kin.shared >= SAME_LESION else 0.0
    if kin.lesion.key_sop_instance_uid != placed.key.sop_instance_uid:
        return 0.0
    axes = _axes(kin.lesion)
    apart = float(np.linalg.norm(axes.centre - placed.axes.centre))
    return 1 - apart / (min(axes.long_mm, placed.axes.long_mm) / 2)


def _name_readers(found: list[_Kin]) -> None:
    """Of each other object, the mask that overlaps most is the same lesion by another reader."""
    best: dict[str, _Kin] = {}
    for kin in found:
        if kin.why is None and kin.shared is not None and kin.shared >= SAME_LESION:
            for uid in _objects(kin.mark):
                if uid not in best or kin.shared > best[uid].shared:
                    best[uid] = kin
    for kin in found:
        mine = [best.get(uid) is kin for uid in _objects(kin.mark)]
        if kin.why is None and all(mine):
            kin.why = "another reader's mask of the lesion came"


def _series_of_source(session: Session, mark: LesionMark) -> set[str]:
    found = (session.get(Instance, uid) for uid in _objects(mark))
    return {instance.series_instance_uid for instance in found if instance is not None}


def _with_readers(
    session: Session, mark: LesionMark, other: LesionMark, series: set[str]
) -> LesionMark:
    """The masks of other readers beside ours; earlier ones of our own series are outdated."""
    keys = {opinion.key for opinion in mark.opinions}
    uids = {opinion.forms[0].tracking_uid for opinion in mark.opinions} - {None}
    added = [
        opinion
        for opinion in other.opinions
        if opinion.has_mask
        and opinion.key not in keys
        and opinion.forms[0].tracking_uid not in uids
        and not series & _series_of_source(session, LesionMark((opinion,)))
    ]
    return LesionMark((*mark.opinions, *added)) if mark.has_mask else mark
