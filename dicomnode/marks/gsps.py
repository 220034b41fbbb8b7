"""Marks in presentation states (GSPS), where most PACS keep what radiologists draw.

Nothing there says what a line means, so geometry decides (PS3.3 C.10.5): two lines of one layer
that cross at about a right angle are the axes of a lesion; a single line is one axis only where a
length stands beside it, as it may be a pointer.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.marks.attributes import sop_instance_uid
from dicomnode.marks.drawn_shape import (
    AxisPair,
    ClosedCurve,
    Line,
    Points,
    each_are_axes,
    length,
    meeting,
)
from dicomnode.marks.gsps_graphic import Drawn, DrawnGraphic, Image, read_graphics
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import RecistMark

MAX_LINES = 60
"""Lines on one image and layer that are compared with each other."""

TICK_LENGTH = 1 / 3
"""A tick at the end of a measured line is no longer than this part of the line."""

END_TOLERANCE = 0.03
"""Distance from the end of a line, as part of its length, at which another one meets its end."""


def read_gsps(dataset: Dataset) -> MarkReading:
    """Read the marks of a presentation state.

    Parameters
    ----------
    dataset : Dataset
        A softcopy presentation state. It may break the standard.

    Returns
    -------
    MarkReading
        Two crossing lines, a single line with a length beside it, an ellipse and a circle are
        marks; closed curves are outlines. All other graphics are refusals: a graphic on several
        images at once, in units that cannot be resolved, an arrow, a box, a point, and overlay
        bitmaps.
    """
    source = sop_instance_uid(dataset)
    if source is None:
        return MarkReading(refusals=(Refusal("1", "the object has no SOP Instance UID"),))
    drawn = read_graphics(dataset)
    refusals = [*drawn.refusals, *_overlays(dataset)]
    marks = [
        _mark(graphic, graphic.shape.long, graphic.shape.short, graphic.item, source)
        for graphic in drawn.graphics
        if isinstance(graphic.shape, AxisPair)
    ]
    outlines = [
        _outline(graphic, source)
        for graphic in drawn.graphics
        if isinstance(graphic.shape, ClosedCurve)
    ]
    for lines in _lines_by_plane(drawn).values():
        found, refused = _read_lines(lines, drawn, source)
        marks.extend(found)
        refusals.extend(refused)
    if not marks and not outlines and not refusals:
        refusals.append(Refusal("1", "no graphics in this presentation state"))
    return MarkReading(marks=tuple(marks), outlines=tuple(outlines), refusals=tuple(refusals))


def _lines_by_plane(drawn: Drawn) -> dict[tuple[Image, str], list[DrawnGraphic]]:
    """Lines that may belong together: on one image, in one layer."""
    found: dict[tuple[Image, str], list[DrawnGraphic]] = defaultdict(list)
    for graphic in drawn.graphics:
        if isinstance(graphic.shape, Line):
            found[graphic.image, graphic.layer].append(graphic)
    return found


def _read_lines(
    lines: list[DrawnGraphic], drawn: Drawn, source: str
) -> tuple[list[RecistMark], list[Refusal]]:
    if len(lines) > MAX_LINES:
        reason = f"{len(lines)} lines on one image, expected at most {MAX_LINES}"
        return [], [Refusal(lines[0].item, reason)]
    marks, refusals = [], []
    lines = _without_ticks(_distinct(lines))
    partners = _partners(lines)
    cornered = _meet_at_ends(lines)
    alone = [line for line, crossed in zip(lines, partners, strict=True) if not crossed]
    lengths_stated = sum(len(drawn.stated_mm[n]) for n in {line.annotation for line in lines})
    for index, line in enumerate(lines):
        crossed = partners[index]
        if len(crossed) > 1 or (crossed and partners[crossed[0]] != [index]):
            refusals.append(
                Refusal(line.item, "crosses several lines: which is its short axis is not stated")
            )
        elif crossed and crossed[0] > index:
            marks.append(_pair(line, lines[crossed[0]], lines, drawn, source))
        elif not crossed:
            why_not = _why_no_axis(
                line,
                drawn,
                meets_at_end=cornered[index],
                enough_lengths=len(alone) <= lengths_stated,
            )
            if why_not is None:
                stated = _own_lengths(line, lines, drawn, 1)
                marks.append(_mark(line, line.shape.points, None, line.item, source, *stated))
            else:
                refusals.append(Refusal(line.item, why_not))
    return marks, refusals


def _partners(lines: list[DrawnGraphic]) -> list[list[int]]:
    """Indices of the lines that each line crosses as an axis; those of its annotation first."""
    crossed: list[list[int]] = [[] for _ in lines]
    points = _all_points(lines)
    first, second = np.triu_indices(len(lines), 1)
    cross = each_are_axes(points[first], points[second], both_inside=True)
    for i, j in zip(first[cross].tolist(), second[cross].tolist(), strict=True):
        crossed[i].append(j)
        crossed[j].append(i)
    own = [
        [j for j in crossed[i] if lines[j].annotation == line.annotation]
        for i, line in enumerate(lines)
    ]
    return [mine if len(mine) == 1 else every for mine, every in zip(own, crossed, strict=True)]


def _without_ticks(lines: list[DrawnGraphic]) -> list[DrawnGraphic]:
    """Leave out the short strokes across the ends of a measured line."""
    points = _all_points(lines)
    lengths = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    middles = points.mean(axis=1)
    from_end = np.linalg.norm(middles[:, None, None] - points[None], axis=3).min(axis=2)
    may_be = lengths[:, None] <= TICK_LENGTH * lengths[None]
    may_be &= from_end <= lengths[:, None] / 2 + END_TOLERANCE * lengths[None]
    ticks = {i for i, j in np.argwhere(may_be).tolist() if _is_tick(points[i], points[j])}
    return [line for index, line in enumerate(lines) if index not in ticks]


def _is_tick(stroke: Points, line: Points) -> bool:
    met = meeting(stroke, line)
    if met is None:
        return False
    return 0.3 < met[0] < 0.7 and min(abs(met[1]), abs(1 - met[1])) < END_TOLERANCE


def _all_points(lines: list[DrawnGraphic]) -> Points:
    """End points of all lines, shape (n, 2, 2)."""
    return np.array([line.shape.points for line in lines]).reshape(-1, 2, 2)


def _distinct(lines: list[DrawnGraphic]) -> list[DrawnGraphic]:
    """Leave out lines that are drawn twice, as for a shadow."""
    kept: dict[frozenset[tuple[float, float]], DrawnGraphic] = {}
    for line in lines:
        kept.setdefault(frozenset(map(tuple, line.shape.points.tolist())), line)
    return list(kept.values())


def _why_no_axis(
    line: DrawnGraphic, drawn: Drawn, *, meets_at_end: bool, enough_lengths: bool
) -> str | None:
    if meets_at_end:
        return "a line that meets another one at its end: an arrow or an angle"
    if line.says_it_measures or drawn.stated_mm[line.annotation] or enough_lengths:
        return None
    return "a single line without a length beside it: it may be a pointer"


def _meet_at_ends(lines: list[DrawnGraphic]) -> list[bool]:
    """Whether each line meets any other one at an end of both."""
    points = _all_points(lines)
    lengths = np.linalg.norm(points[:, 1] - points[:, 0], axis=1)
    gaps = np.linalg.norm(points[:, None, :, None] - points[None, :, None], axis=4).min(axis=(2, 3))
    np.fill_diagonal(gaps, np.inf)
    return (gaps < END_TOLERANCE * np.minimum(lengths[:, None], lengths)).any(axis=1).tolist()


def _own_lengths(
    line: DrawnGraphic, lines: list[DrawnGraphic], drawn: Drawn, expected: int
) -> list[float]:
    """Lengths in mm that stand beside the lines of one annotation, longest first.

    Empty unless there are as many as lines: which text belongs to which line is not stated.
    """
    stated = drawn.stated_mm[line.annotation]
    count = sum(other.annotation == line.annotation for other in lines)
    return sorted(stated, reverse=True) if len(stated) == count == expected else []


def _pair(
    first: DrawnGraphic, second: DrawnGraphic, lines: list[DrawnGraphic], drawn: Drawn, source: str
) -> RecistMark:
    if length(first.shape.points) < length(second.shape.points):
        first, second = second, first
    if first.annotation == second.annotation:
        stated = _own_lengths(first, lines, drawn, 2)
    else:
        each = [_own_lengths(line, lines, drawn, 1) for line in (first, second)]
        stated = each[0] + each[1] if all(each) else []
    item = f"{first.item} and {second.item}"
    return _mark(first, first.shape.points, second.shape.points, item, source, *stated)


def _mark(
    graphic: DrawnGraphic,
    long: Points,
    short: Points | None,
    item: str,
    source: str,
    stated_long_mm: float | None = None,
    stated_short_mm: float | None = None,
) -> RecistMark:
    return RecistMark(
        long_axis=long,
        short_axis=short,
        source_sop_instance_uid=source,
        item=item,
        referenced_sop_instance_uid=graphic.image.sop_instance_uid,
        referenced_frame=graphic.image.frame,
        tracking_id=graphic.tracking_id,
        tracking_uid=graphic.tracking_uid,
        stated_long_mm=stated_long_mm,
        stated_short_mm=stated_short_mm,
    )


def _outline(graphic: DrawnGraphic, source: str) -> Outline:
    contour = Contour(graphic.shape.points, graphic.image.sop_instance_uid, graphic.image.frame)
    return Outline(
        (contour,),
        source,
        graphic.item,
        tracking_id=graphic.tracking_id,
        tracking_uid=graphic.tracking_uid,
    )


def _overlays(dataset: Dataset) -> list[Refusal]:
    """One refusal for each overlay plane (PS3.3 C.9.2): a bitmap holds no points."""
    tags = dataset.keys()  # a loop over the dataset itself would decode its elements
    groups = sorted({t.group for t in tags if 0x6000 <= t.group <= 0x60FF and t.group % 2 == 0})
    reason = "drawn as a bitmap (overlay plane): it holds no points that could be measured"
    return [Refusal(f"overlay {group:04X}", reason) for group in groups[:16]]
