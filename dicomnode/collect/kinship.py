"""Which of the marks on one acquisition are one lesion, and which of them stands for it.

A pure function of the marks that are there: the order in which they came changes nothing.

- Copies: the same mark in several objects (SR and GSPS, or saved again), or on two
  reconstructions. Nothing new is made.
- Versions: one mark at different times. The one that was stated last stands; of axes and a mask
  the mask.
- Readers: masks of one lesion by different readers. The one that was stated last stands, and
  keeps the others beside its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from dicomnode.collect.acquisition import Acquisition, is_same_acquisition
from dicomnode.collect.nearness import (
    DEFAULT_THICKNESS_MM,
    SAME_PIXELS,
    SAME_PLACE,
    are_near,
    common_part,
    depth_apart_mm,
    same_line,
    share_tissue,
)
from dicomnode.collect.statement import Source, may_be_one_author
from dicomnode.marks.lesion_mark import Opinion
from dicomnode.marks.placement import ImagePlane
from pipelines.recist import RecistAxes

SAME_MASK = 0.999
"""Masks that overlap so much are one: both were saved from the same voxels."""

SAME_LESION = 0.1
"""Masks of two readers that overlap so much (intersection over union) are of one lesion. With
less, one rather holds the other: a lesion in an organ."""


@dataclass(frozen=True, eq=False)
class Claim:
    """One mark on its CT.

    Attributes
    ----------
    lesion_id : int
    key : str
        Identity of the mark, the same in each database.
    opinion : Opinion
        As it was found.
    axes : RecistAxes
        As drawn, or measured on the mask.
    key_sop_instance_uid : str
    plane : ImagePlane
        Of the slice that it was drawn on, or on which its mask is largest; `slice_spacing` is the
        slice's thickness.
    series_instance_uid : str
    acquisition : Acquisition
        Of that slice.
    sources : tuple of Source
        The objects that hold it, at least one.
    tracking_uid : str or None
    is_made : bool
        Whether its result has been published.
    stack : tuple or None
        Which stack of frames the slice is of, in an enhanced series.
    phase : tuple
        Time, tube voltage and the like of that frame.
    """

    lesion_id: int
    key: str
    opinion: Opinion
    axes: RecistAxes
    key_sop_instance_uid: str
    plane: ImagePlane
    series_instance_uid: str
    acquisition: Acquisition
    sources: tuple[Source, ...]
    tracking_uid: str | None = None
    is_made: bool = False
    stack: tuple[str, int] | None = None
    phase: tuple = ()

    @property
    def objects(self) -> frozenset[str]:
        """The objects that hold it."""
        return frozenset(source.sop_instance_uid for source in self.sources)

    @property
    def stated(self) -> tuple:
        """When it was stated last; compares with those of others."""
        return max(source.stated for source in self.sources)

    @property
    def first_stated(self) -> tuple:
        """When it was stated first."""
        return min(source.stated for source in self.sources)


class Masks(Protocol):
    """The masks of claims, on their CT."""

    def overlap(self, one: Claim, other: Claim) -> float:
        """Intersection over union of the masks of two claims, from 0 to 1."""

    def for_series_of(self, lead: Claim, claim: Claim) -> Opinion | None:
        """A claim's opinion such that it can be put on the CT of another claim, if it can."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of one claim.

    Attributes
    ----------
    lesion_id : int
    replaced_by : int or None
        The lesion that stands for it; None where it stands itself.
    why : str
        Why it is replaced.
    opinions : tuple of Opinion
        Where it stands: its own and those of other readers, the one stated first first.
    """

    lesion_id: int
    replaced_by: int | None = None
    why: str = ""
    opinions: tuple[Opinion, ...] = ()


class _Kind(IntEnum):
    """How two claims are one, surest first."""

    COPY = 0
    TRACKED = 1
    CHANGED = 2
    READER = 3


@dataclass(frozen=True, eq=False)
class _Link:
    kind: _Kind
    strength: float
    one: Claim
    other: Claim

    @property
    def order(self) -> tuple:
        return self.kind, -self.strength, *sorted((self.one.key, self.other.key))


def resolve(claims: Sequence[Claim], masks: Masks) -> tuple[Verdict, ...]:
    """Say of each claim whether it stands, or which one stands for it.

    Pairs are joined from the surest down, and a pair is left apart where joining would make one
    of two lesions of one object: what a reader drew as two is two.

    Parameters
    ----------
    claims : sequence of Claim
        All that are here of one study.
    masks : Masks
        Asked for pairs of claims that have some.

    Returns
    -------
    tuple of Verdict
        In the order of the claims.
    """
    links = [link for pair in _pairs(claims) if (link := _link(*pair, masks)) is not None]
    groups = _Groups(claims, links)
    groups.join(_Kind.COPY)
    copies = groups.snapshot()
    groups.join(_Kind.TRACKED, _Kind.CHANGED)
    threads = groups.snapshot()
    standing = {id(_standing(_clusters(thread, copies))) for thread in threads}
    groups.join(_Kind.READER, among=standing)
    found = {}
    for group in groups.snapshot():
        found |= _verdicts(group, threads, copies, masks)
    return tuple(found[claim.lesion_id] for claim in claims)


def _pairs(claims: Sequence[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Claims near each other on one series, or on reconstructions of one acquisition."""
    ordered = sorted(claims, key=lambda claim: claim.key)
    near = are_near([claim.axes for claim in ordered])
    for i, j in np.argwhere(np.triu(near, 1)):
        one, other = ordered[i], ordered[j]
        same_series = one.series_instance_uid == other.series_instance_uid
        if same_series and one.stack != other.stack and one.phase != other.phase:
            continue  # frames of two moments or energies
        if same_series or is_same_acquisition(one.acquisition, other.acquisition):
            yield one, other


def _link(one: Claim, other: Claim, masks: Masks) -> _Link | None:
    """The surest way in which two claims are one lesion; None where they are two."""
    same_series = one.series_instance_uid == other.series_instance_uid
    of_one_object = bool(one.objects & other.objects)
    if of_one_object and same_series:
        return None
    both = one.opinion.has_mask and other.opinion.has_mask
    shared = masks.overlap(one, other) if both else None
    copy = _copy(one, other, shared)
    if copy is not None:
        return _Link(_Kind.COPY, copy, one, other)
    if of_one_object:  # a tool that links reconstructions would have drawn the same line on both
        return None
    nearness = _nearness(one, other, shared)
    if one.tracking_uid is not None and one.tracking_uid == other.tracking_uid:
        return _Link(_Kind.TRACKED, nearness, one, other)
    if (shared is not None and shared < SAME_LESION) or (shared is None and nearness < SAME_PLACE):
        return None
    if may_be_one_author(one.sources, other.sources, masks=both):
        return _Link(_Kind.CHANGED, nearness, one, other)
    return _Link(_Kind.READER, nearness, one, other) if both else None


def _copy(one: Claim, other: Claim, shared: float | None) -> float | None:
    """How surely two claims are one mark; None where they are not."""
    if shared is not None:
        return shared if shared >= SAME_MASK else None
    if _refers_to(one.opinion, other.opinion) or _refers_to(other.opinion, one.opinion):
        return 1.0
    if one.opinion.axes is None or other.opinion.axes is None:
        return None
    if not _on_one_image(one, other):
        return None
    return 1.0 if same_line(one.axes, one.plane, other.axes, other.plane) else None


def _refers_to(one: Opinion, other: Opinion) -> bool:
    """Whether both are one segment, of which one may hold axes beside it."""
    mine, theirs = one.segment, other.segment
    return (
        None not in (mine, theirs)
        and mine.seg_sop_instance_uid == theirs.seg_sop_instance_uid
        and mine.segment_number == theirs.segment_number
    )


def _on_one_image(one: Claim, other: Claim) -> bool:
    """On one slice, or on slices of two reconstructions at one place."""
    if one.series_instance_uid != other.series_instance_uid:
        return share_tissue(one.axes, one.plane, other.axes, other.plane)
    if one.key_sop_instance_uid == other.key_sop_instance_uid:
        return True
    # Beside a mask, axes may be drawn on another slice than that on which it is largest.
    apart = depth_apart_mm(one.axes, other.axes, one.plane)
    return apart <= SAME_PIXELS * max(one.plane.pixel_spacing)


def _nearness(one: Claim, other: Claim, shared: float | None) -> float:
    if shared is not None:
        return shared
    if not _on_one_image(one, other):
        return 0.0
    return common_part(one.axes, other.axes, one.plane)


class _Groups:
    """Claims that are joined step by step."""

    def __init__(self, claims: Iterable[Claim], links: Iterable[_Link]) -> None:
        self._group = {id(claim): [claim] for claim in claims}
        self._links = sorted(links, key=lambda link: link.order)
        self._linked_copies = {
            frozenset((link.one.lesion_id, link.other.lesion_id))
            for link in self._links
            if link.kind is _Kind.COPY
        }

    def join(self, *kinds: _Kind, among: set[int] | None = None) -> None:
        for link in self._links:
            ends = {id(link.one), id(link.other)}
            if link.kind not in kinds or (among is not None and not ends <= among):
                continue
            one, other = self._group[id(link.one)], self._group[id(link.other)]
            if one is other or self._apart(one, other):
                continue
            one.extend(other)
            for claim in other:
                self._group[id(claim)] = one

    def snapshot(self) -> list[list[Claim]]:
        """The groups as they are now, each in the order of its keys."""
        found = {id(group): group for group in self._group.values()}
        return [sorted(group, key=lambda claim: claim.key) for group in found.values()]

    def _apart(self, one: Iterable[Claim], other: Iterable[Claim]) -> bool:
        """Whether two lesions of one object would become one."""
        return any(
            mine.objects & theirs.objects
            and frozenset((mine.lesion_id, theirs.lesion_id)) not in self._linked_copies
            for mine in one
            for theirs in other
        )


def _clusters(thread: Sequence[Claim], copies: Sequence[Sequence[Claim]]) -> list[list[Claim]]:
    """The copies that a thread is made of."""
    members = {id(claim) for claim in thread}
    return [list(cluster) for cluster in copies if id(cluster[0]) in members]


def _standing(clusters: Sequence[Sequence[Claim]]) -> Claim:
    """Of one mark at different times, in several copies each, the claim that stands."""
    newest = max(
        clusters,
        key=lambda cluster: (
            any(claim.opinion.has_mask for claim in cluster),
            max(claim.stated for claim in cluster),
            cluster[0].key,
        ),
    )
    return _representative(newest)


def _representative(cluster: Sequence[Claim]) -> Claim:
    """Of copies: that with a mask; what is made already; on the thinner slices; stated first."""

    def order(claim: Claim) -> tuple:
        thick = claim.plane.slice_spacing or DEFAULT_THICKNESS_MM
        made = not claim.is_made
        return not claim.opinion.has_mask, made, thick, claim.first_stated, claim.key

    return min(cluster, key=order)


def _verdicts(
    group: Sequence[Claim],
    threads: Sequence[Sequence[Claim]],
    copies: Sequence[Sequence[Claim]],
    masks: Masks,
) -> dict[int, Verdict]:
    """Of all claims of one lesion."""
    members = {id(claim) for claim in group}
    clusters_of = [_clusters(thread, copies) for thread in threads if id(thread[0]) in members]
    standing = [_standing(clusters) for clusters in clusters_of]
    lead = max(standing, key=lambda claim: (claim.stated, claim.key))
    others = sorted(
        (claim for claim in standing if claim is not lead), key=lambda claim: claim.stated
    )
    beside = (masks.for_series_of(lead, claim) for claim in others)
    opinions = (lead.opinion, *(opinion for opinion in beside if opinion is not None))
    found = {lead.lesion_id: Verdict(lead.lesion_id, opinions=opinions)}
    for clusters, stands in zip(clusters_of, standing, strict=True):
        for cluster in clusters:
            for claim in cluster:
                if claim is not lead:
                    why = _why(claim, cluster, stands, lead)
                    found[claim.lesion_id] = Verdict(claim.lesion_id, lead.lesion_id, why)
    return found


def _why(claim: Claim, cluster: Sequence[Claim], stands: Claim, lead: Claim) -> str:
    if stands.opinion.has_mask and not claim.opinion.has_mask:
        return f"the mark came with a mask; lesion {lead.lesion_id} takes its place"
    if claim is not stands and any(copy is stands for copy in cluster):
        where = ""
        if claim.series_instance_uid != stands.series_instance_uid:
            where = " on another reconstruction"
        return f"the same mark as lesion {stands.lesion_id}{where}"
    if claim is not stands:
        return f"the mark was changed; lesion {lead.lesion_id} takes its place"
    return f"another reader's mask of the lesion came; lesion {lead.lesion_id} takes its place"
