"""From what a reader found in a file to what is said of each item."""

from __future__ import annotations

from dicomnode.explained.ct_folder import CtFolder
from dicomnode.explained.item import ExplainedItem, ItemKind, Outcome
from dicomnode.explained.mark_item import mark_item
from dicomnode.explained.outline_item import outline_item
from dicomnode.explained.segment_item import reference_item, segment_item
from dicomnode.marks import MarkReading, Refusal


def explain_reading(reading: MarkReading, ct: CtFolder | None = None) -> tuple[ExplainedItem, ...]:
    """Say of each item what became of it.

    Parameters
    ----------
    reading : MarkReading
        Of one file.
    ct : CtFolder, optional
        With it, marks are placed as the node places them: what cannot be placed is refused, and
        lengths are in mm.

    Returns
    -------
    tuple of ExplainedItem
        Marks, outlines, segments, references, then what the reader refused; each in the order of
        the file.
    """
    return (
        *(mark_item(mark, ct) for mark in reading.marks),
        *(outline_item(outline, ct) for outline in reading.outlines),
        *(segment_item(segment, ct) for segment in reading.segments),
        *(reference_item(reference) for reference in reading.references),
        *(_refusal(refusal) for refusal in reading.refusals),
    )


def _refusal(refusal: Refusal) -> ExplainedItem:
    return ExplainedItem(
        item=refusal.item, kind=ItemKind.OTHER, outcome=Outcome.REFUSED, reasons=(refusal.reason,)
    )
