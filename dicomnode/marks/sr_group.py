"""One lesion of a structured report: its axes, its outline and the segment it refers to."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dicomnode.marks import codes
from dicomnode.marks.drawn_shape import AxisPair, ClosedCurve, Line, Points, are_axes, length
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.segment import SegmentReference
from dicomnode.marks.sr_graphic import (
    Drawing,
    Graphic,
    Place,
    UnreadableItem,
    is_linear,
    is_uncalibrated,
    read_drawing,
    stated_mm,
)
from dicomnode.marks.sr_tree import ContentItem

SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")

MAX_GRAPHICS = 2_000
"""Graphics of one lesion that are read; an outline has one on each slice."""


@dataclass(frozen=True)
class Described:
    """What a report says of one lesion, for all forms of it alike."""

    source_sop_instance_uid: str
    item: str
    tracking_id: str | None = None
    tracking_uid: str | None = None
    finding: Code | None = None
    site: Code | None = None

    @classmethod
    def from_group(cls, group: ContentItem, source: str) -> Described:
        """Read what stands directly below a group; a CODE item is itself the finding."""
        return cls(
            source_sop_instance_uid=source,
            item=group.label,
            tracking_id=_first(group, codes.TRACKING_IDENTIFIER, "text"),
            tracking_uid=_first(group, codes.TRACKING_UNIQUE_IDENTIFIER, "uid"),
            finding=_first(group, codes.FINDING, "code") or group.code,
            site=_first(group, codes.FINDING_SITE, "code"),
        )


@dataclass
class _Found:
    """What was found in one group so far."""

    marks: list[RecistMark] = field(default_factory=list)
    outlines: list[Outline] = field(default_factory=list)
    references: list[SegmentReference] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.marks or self.outlines or self.references or self.refusals)

    def reading(self) -> MarkReading:
        return MarkReading(
            marks=tuple(self.marks),
            outlines=tuple(self.outlines),
            references=tuple(self.references),
            refusals=tuple(self.refusals),
        )


@dataclass(frozen=True, eq=False)
class _Axis:
    points: Points
    place: Place
    stated_mm: float | None
    uncalibrated: bool = False


def read_group(
    group: ContentItem, graphics: list[Graphic], root: ContentItem, described: Described
) -> MarkReading:
    """Read all forms of one lesion.

    Axes that are named so are taken by name. Otherwise geometry decides: one straight line that
    a length was measured on is one axis; two that cross at about a right angle are two; an
    ellipse or circle holds two. Closed curves are an outline; several are one outline on several
    slices.

    Parameters
    ----------
    group : ContentItem
        Holds the lesion.
    graphics : list of Graphic
        Those that belong to it.
    root : ContentItem
        The report.
    described : Described
        What the report says of the lesion.

    Returns
    -------
    MarkReading
        At most one mark and one outline. A part that cannot be read is a refusal at its own
        position; a group that holds nothing is one refusal.
    """
    found = _Found()
    found.references.extend(_references(group, described))
    long_items = [c for c in group.children if _is_axis(c, codes.LONG_AXIS)]
    short_items = [c for c in group.children if _is_axis(c, codes.SHORT_AXIS)]
    named = {item.position for item in (*long_items, *short_items)}
    try:
        if long_items:
            found.marks.append(
                _named_axes(long_items, short_items, graphics, root, described, found)
            )
        elif short_items:
            raise UnreadableItem(group, "a short axis without a long axis")
    except UnreadableItem as problem:
        found.refusals.append(problem.refusal)
    rest = [
        graphic
        for graphic in graphics
        if graphic.measurement is None or graphic.measurement.position not in named
    ]
    if len(rest) > MAX_GRAPHICS:
        reason = f"{len(rest)} graphics in one group, expected at most {MAX_GRAPHICS}"
        found.refusals.append(Refusal(group.label, reason))
        return found.reading()
    drawings, unread = _read_all(rest, root)
    outline = _outline(drawings, described)
    if outline is not None:
        found.outlines.append(outline)
    if not named:
        try:
            found.marks.extend(_axes_by_geometry(group, drawings, described))
        except UnreadableItem as problem:
            found.refusals.append(problem.refusal)
    if found.is_empty or (unread and not (found.marks or found.outlines or found.references)):
        found.refusals.extend(unread)
    elif unread and not found.marks:
        # A slice of an outline that is lost is worth a word; a pointer beside a measured line not.
        found.refusals.extend(refusal for refusal in unread if "POINT" not in refusal.reason)
    if found.is_empty:
        found.refusals.append(Refusal(group.label, _what_it_is(group)))
    return found.reading()


def _is_axis(item: ContentItem, concept: codes.Concept) -> bool:
    return item.value_type == "NUM" and item.is_named(concept)


def _read_all(graphics: list[Graphic], root: ContentItem) -> tuple[list[Drawing], list[Refusal]]:
    drawings, refusals = [], []
    for graphic in graphics:
        try:
            drawings.append(read_drawing(graphic, root))
        except UnreadableItem as problem:
            refusals.append(problem.refusal)
    return drawings, refusals


def _named_axes(
    long_items: list[ContentItem],
    short_items: list[ContentItem],
    graphics: list[Graphic],
    root: ContentItem,
    described: Described,
    found: _Found,
) -> RecistMark:
    if len(long_items) > 1 or len(short_items) > 1:
        raise UnreadableItem(
            long_items[0],
            f"{len(long_items)} long and {len(short_items)} short axes in one group: "
            "which belong together is not stated",
        )
    long = _named_axis(long_items[0], graphics, root)
    short = None
    if short_items:
        try:
            short = _named_axis(short_items[0], graphics, root)
            if not short.place.same_as(long.place):
                raise UnreadableItem(
                    short_items[0], "the short axis lies on another image than the long axis"
                )
        except UnreadableItem as problem:
            # The long axis is a mark by itself (PS3.16 TID 1501 asks for no pair).
            found.refusals.append(problem.refusal)
            short = None
    site = described.site or _first(long_items[0], codes.FINDING_SITE, "code")
    return _mark(long, short, described, site)


def _named_axis(num: ContentItem, graphics: list[Graphic], root: ContentItem) -> _Axis:
    own = [
        graphic
        for graphic in graphics
        if graphic.measurement is not None and graphic.measurement.position == num.position
    ]
    if len(own) != 1:
        raise UnreadableItem(
            num, f"expected one SCOORD or SCOORD3D below the axis, found {len(own)}"
        )
    scoord = own[0].scoord
    if scoord.graphic_type != "POLYLINE":
        raise UnreadableItem(scoord, "expected a POLYLINE, found another graphic type or none")
    drawing = read_drawing(own[0], root)
    if not isinstance(drawing.shape, Line):
        raise UnreadableItem(scoord, "expected a line of 2 points, found a closed curve")
    return _Axis(drawing.shape.points, drawing.place, stated_mm(num), is_uncalibrated(num))


def _axes_by_geometry(
    group: ContentItem, drawings: list[Drawing], described: Described
) -> list[RecistMark]:
    """No mark or one, from lines, or else from an ellipse or circle, under any name."""
    lines = _distinct([drawing for drawing in drawings if isinstance(drawing.shape, Line)])
    pairs = _distinct([drawing for drawing in drawings if isinstance(drawing.shape, AxisPair)])
    measured = [drawing for drawing in lines if _measures_along(drawing.graphic)]
    if not measured:
        if lines and not pairs and not any(isinstance(d.shape, ClosedCurve) for d in drawings):
            raise UnreadableItem(lines[0].graphic.scoord, _not_a_length(lines[0].graphic))
        if len(pairs) > 1:
            raise UnreadableItem(
                group, f"{len(pairs)} ellipses or circles in one group, expected one"
            )
        return [_pair_mark(pairs[0], described)] if pairs else []
    if len(measured) == 1:
        return [_mark(_axis(measured[0]), None, described, described.site)]
    if len(measured) > 2:
        raise UnreadableItem(
            group, f"{len(measured)} measured lines in one group, expected one or two axes"
        )
    first, second = (_axis(drawing) for drawing in measured)
    if not first.place.same_as(second.place):
        raise UnreadableItem(group, "the two measured lines of the group lie on different images")
    if not are_axes(first.points, second.points):
        raise UnreadableItem(
            group, "the two measured lines of the group do not cross at about a right angle"
        )
    if length(first.points) < length(second.points):
        first, second = second, first
    return [_mark(first, second, described, described.site)]


def _measures_along(graphic: Graphic) -> bool:
    if graphic.measurement is not None:
        return is_linear(graphic.measurement)
    return graphic.scoord.is_named(codes.AIM_SHAPE)


def _not_a_length(graphic: Graphic) -> str:
    """Why a line is no axis: nothing, or nothing linear, was measured on it."""
    name = None if graphic.measurement is None else graphic.measurement.name
    if name is not None and name.scheme in codes.PUBLIC_SCHEMES:
        return (
            f"no long axis: a line that measures ({name.value}, {name.scheme}), expected a length"
        )
    return "no long axis: a line without a measured length"


def _distinct(drawings: list[Drawing]) -> list[Drawing]:
    """Leave out what is drawn twice: writers repeat the points below each number."""
    kept: list[Drawing] = []
    for drawing in drawings:
        same = next((k for k in kept if _is_same(k, drawing)), None)
        if same is None:
            kept.append(drawing)
        elif not _measures_along(same.graphic) and _measures_along(drawing.graphic):
            kept[kept.index(same)] = drawing
        if len(kept) > 8:  # more than any mark has; which they are does not matter
            break
    return kept


def _is_same(first: Drawing, second: Drawing) -> bool:
    if not first.place.same_as(second.place):
        return False
    one, other = _all_points(first), _all_points(second)
    return one.shape == other.shape and np.array_equal(one, other)


def _all_points(drawing: Drawing) -> Points:
    shape = drawing.shape
    return (
        np.concatenate([shape.long, shape.short]) if isinstance(shape, AxisPair) else shape.points
    )


def _axis(drawing: Drawing) -> _Axis:
    measurement = drawing.graphic.measurement
    return _Axis(
        drawing.shape.points, drawing.place, stated_mm(measurement), is_uncalibrated(measurement)
    )


def _pair_mark(drawing: Drawing, described: Described) -> RecistMark:
    long = _Axis(drawing.shape.long, drawing.place, None)
    short = _Axis(drawing.shape.short, drawing.place, None)
    return _mark(long, short, described, described.site)


def _mark(long: _Axis, short: _Axis | None, described: Described, site: Code | None) -> RecistMark:
    return RecistMark(
        long_axis=long.points,
        short_axis=None if short is None else short.points,
        source_sop_instance_uid=described.source_sop_instance_uid,
        item=described.item,
        referenced_sop_instance_uid=long.place.sop_instance_uid,
        referenced_frame=long.place.frame,
        frame_of_reference_uid=long.place.frame_of_reference_uid,
        tracking_id=described.tracking_id,
        tracking_uid=described.tracking_uid,
        finding=described.finding,
        site=site,
        stated_long_mm=long.stated_mm,
        stated_short_mm=None if short is None else short.stated_mm,
        uncalibrated=long.uncalibrated or (short is not None and short.uncalibrated),
    )


def _outline(drawings: list[Drawing], described: Described) -> Outline | None:
    """All distinct closed curves as one outline; of several spaces only the first one's."""
    contours: list[Contour] = []
    seen: set[tuple[str | None, int, bytes]] = set()
    space: str | None = None
    for drawing in drawings:
        if not isinstance(drawing.shape, ClosedCurve):
            continue
        place, points = drawing.place, drawing.shape.points
        key = (place.sop_instance_uid, place.frame or 1, points.tobytes())
        if key in seen or (space and place.frame_of_reference_uid not in (None, space)):
            continue
        seen.add(key)
        space = space or place.frame_of_reference_uid
        contours.append(Contour(points, place.sop_instance_uid, place.frame))
    if not contours:
        return None
    return Outline(
        contours=tuple(contours),
        source_sop_instance_uid=described.source_sop_instance_uid,
        item=described.item,
        frame_of_reference_uid=space,
        tracking_id=described.tracking_id,
        tracking_uid=described.tracking_uid,
        finding=described.finding,
        site=described.site,
    )


def _references(group: ContentItem, described: Described) -> list[SegmentReference]:
    """Segments and frames of a SEG that the group says are its lesion (TID 1410, TID 1411)."""
    references: list[SegmentReference] = []
    for child in group.children[:MAX_GRAPHICS]:
        if child.value_type != "IMAGE":
            continue
        by_name = child.is_named(codes.REFERENCED_SEGMENT) or child.is_named(
            codes.REFERENCED_SEGMENTATION_FRAME
        )
        if not by_name and child.referenced_class not in SEGMENTATION_CLASSES:
            continue
        image = child.referenced_image
        if image is None:
            continue
        for number in child.referenced_segments or (None,):
            reference = SegmentReference(
                seg_sop_instance_uid=image[0],
                segment_number=number,
                frames=image[1],
                source_sop_instance_uid=described.source_sop_instance_uid,
                item=described.item,
                tracking_id=described.tracking_id,
                tracking_uid=described.tracking_uid,
                finding=described.finding,
                site=described.site,
            )
            if reference not in references:
                references.append(reference)
    return references


def _first(item: ContentItem, concept: codes.Concept, value: str) -> str | Code | None:
    child = item.child(concept)
    return None if child is None else getattr(child, value)


def _what_it_is(group: ContentItem) -> str:
    """Why a group without coordinates holds no mark."""
    found = [
        f"({child.name.value}, {child.name.scheme})"
        for child in group.children
        if child.value_type == "NUM" and child.name and child.name.scheme in codes.PUBLIC_SCHEMES
    ]
    measured = ", ".join(found[:6]) or "none in a public scheme"
    return (
        "no coordinates and no segment in the group, no long axis (103339001, SCT); "
        f"measurements found: {measured}"
    )
