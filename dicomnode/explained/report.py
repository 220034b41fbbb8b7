"""What is said of a file's items, as lines of text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pydicom.uid import UID
from rich.text import Text

from dicomnode.explained.item import Axis, ExplainedItem, Outcome
from dicomnode.marks.mark_file import MarkFile
from dicomnode.marks.slice_name import slice_name

NOTICE = "Research only, not for diagnosis"

MAX_IMAGES = 3
"""Images of one item that the text names; JSON names all."""

_STYLE = {Outcome.TAKEN: "green", Outcome.COMPLETED: "yellow", Outcome.REFUSED: "red"}


def text_lines(file: MarkFile, items: Sequence[ExplainedItem], limit: int) -> Iterator[Text]:
    """Tell of a file in lines, each item's details indented below it.

    Parameters
    ----------
    file : MarkFile
    items : sequence of ExplainedItem
    limit : int
        Items that are told in full.
    """
    yield Text(NOTICE, style="bold yellow")
    yield Text(_what_it_is(file))
    counts = Counter(item.outcome for item in items)
    yield Text(
        f"{len(items)} item(s): "
        + ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome)
    )
    for item in items[:limit]:
        yield from item_lines(item)
    if len(items) > limit:
        yield Text(f"and {len(items) - limit} more item(s); --limit shows more, --json all")


def item_lines(item: ExplainedItem) -> Iterator[Text]:
    """Tell of one item, with its details indented."""
    head = Text(f"{item.item}: {item.kind.value}, ")
    head.append(item.outcome.value, style=_STYLE[item.outcome])
    reasons = "; ".join(item.reasons)
    if reasons:
        head.append(f": {reasons}")
    yield head
    for line in _details(item):
        yield Text(f"    {line}")
    for doubt in item.doubts:
        yield Text(f"    doubt: {doubt}", style="yellow")


def to_json(file: MarkFile, items: Sequence[ExplainedItem]) -> dict[str, Any]:
    """Tell of a file as what JSON can hold.

    Returns
    -------
    dict
        ``notice``, ``form``, ``sop_class_uid``, ``sop_instance_uid``, ``outcomes`` (how many of
        each) and ``items``, each with the attributes of `ExplainedItem` but without its drawing.
    """
    counts = Counter(item.outcome for item in items)
    return {
        "notice": NOTICE,
        "form": file.form.value,
        "sop_class_uid": file.sop_class_uid,
        "sop_instance_uid": file.sop_instance_uid,
        "outcomes": {outcome.value: counts[outcome] for outcome in Outcome},
        "items": [_item(item) for item in items],
    }


def _what_it_is(file: MarkFile) -> str:
    if file.sop_class_uid is None:
        return file.form.value
    return f"{file.form.value}: {UID(file.sop_class_uid).name}, {file.sop_instance_uid}"


def _details(item: ExplainedItem) -> Iterator[str]:
    yield from item.notes
    for axis in item.axes:
        yield _axis_line(axis)
    for uid, frame in item.images[:MAX_IMAGES]:
        yield f"image {uid}" + ("" if frame is None else f", frame {frame}")
    if len(item.images) > MAX_IMAGES:
        yield f"and {len(item.images) - MAX_IMAGES} more image(s)"
    if item.frame_of_reference_uid is not None:
        yield f"frame of reference {item.frame_of_reference_uid}"
    named = {slice_name(*image) for image in item.images} | {uid for uid, _ in item.images}
    if item.found_image is not None and item.found_image not in named:
        yield f"lies on image {item.found_image}"
    if item.finding or item.site:
        yield ", ".join(
            f"{name} {code}"
            for name, code in (("finding", item.finding), ("site", item.site))
            if code
        )
    if item.tracking_uid is not None:
        yield f"tracking UID {item.tracking_uid}"


def _axis_line(axis: Axis) -> str:
    lengths = [
        f"{value:.1f} {unit}"
        for value, unit in ((axis.length_mm, "mm"), (axis.length_pixels, "pixels"))
        if value is not None
    ]
    stated = "no length stated" if axis.stated_mm is None else f"stated {axis.stated_mm:.1f} mm"
    ends = " to ".join(
        "(" + ", ".join(f"{value:.2f}" for value in point) + ")" for point in axis.points
    )
    sense = "column, row" if axis.points.shape[1] == 2 else "LPS mm"
    return f"{axis.name} axis: {', '.join(lengths)}; {stated}; {ends} {sense}"


def _item(item: ExplainedItem) -> dict[str, Any]:
    return {
        "item": item.item,
        "kind": item.kind.value,
        "outcome": item.outcome.value,
        "reasons": list(item.reasons),
        "doubts": list(item.doubts),
        "notes": list(item.notes),
        "images": [{"sop_instance_uid": uid, "frame": frame} for uid, frame in item.images],
        "found_image": item.found_image,
        "frame_of_reference_uid": item.frame_of_reference_uid,
        "tracking_uid": item.tracking_uid,
        "finding": item.finding,
        "site": item.site,
        "axes": [
            {
                "name": axis.name,
                "points": axis.points.tolist(),
                "coordinates": "pixels" if axis.points.shape[1] == 2 else "LPS mm",
                "length_pixels": axis.length_pixels,
                "length_mm": axis.length_mm,
                "stated_mm": axis.stated_mm,
            }
            for axis in item.axes
        ],
    }
