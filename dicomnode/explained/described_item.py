"""What is said of every form of a lesion alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from dicomnode.explained.item import ExplainedItem, ItemKind, Outcome
from dicomnode.marks import Code, Outline, RecistMark, Segment, SegmentReference
from dicomnode.marks.codes import PUBLIC_SCHEMES

NO_CT = "its image is not in the folder of the CT"

_PUBLIC_CODE = re.compile(r"(?=.*[0-9])[A-Z]{0,3}-?[0-9A-F]{2,18}", re.ASCII)


def described_item(
    form: RecistMark | Outline | Segment | SegmentReference,
    kind: ItemKind,
    *,
    refused: Sequence[str] = (),
    completed: Sequence[str] = (),
    images: Iterable[tuple[str | None, int | None]] = (),
    **said: Any,
) -> ExplainedItem:
    """Say of a form where it stands, what became of it, and by which codes it is described.

    Parameters
    ----------
    form : RecistMark, Outline, Segment or SegmentReference
    kind : ItemKind
    refused, completed : sequence of str
        Why it cannot be used; else what was missing in it.
    images : iterable of (str or None, int or None)
        Those that its parts were drawn on, and frames.
    **said
        Other attributes of `ExplainedItem`.

    Returns
    -------
    ExplainedItem
    """
    outcome = Outcome.COMPLETED if completed else Outcome.TAKEN
    return ExplainedItem(
        item=form.item,
        kind=kind,
        outcome=Outcome.REFUSED if refused else outcome,
        reasons=tuple(refused or completed),
        images=tuple(dict.fromkeys(image for image in images if image[0] is not None)),
        frame_of_reference_uid=getattr(form, "frame_of_reference_uid", None),
        tracking_uid=form.tracking_uid,
        finding=_shown(form.finding),
        site=_shown(form.site),
        **said,
    )


def _shown(code: Code | None) -> str | None:
    """A code of a public scheme; meanings and private codes may hold any text."""
    if code is None or code.scheme not in PUBLIC_SCHEMES or not _PUBLIC_CODE.fullmatch(code.value):
        return None
    return f"{code.value} ({code.scheme})"
