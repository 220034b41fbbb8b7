"""Body part and side of the CT, for objects whose series must state them."""

from __future__ import annotations

from pydicom.dataset import Dataset


def copy_body_part(source: Dataset, made: Dataset) -> None:
    """Copy Body Part Examined and Laterality from a CT slice (PS3.3 C.7.3.1).

    Laterality is required, and may be empty, where the body part is paired or not stated.
    """
    body_part, side = source.get("BodyPartExamined"), source.get("Laterality")
    if body_part:
        made.BodyPartExamined = body_part
    if side or not body_part:
        made.Laterality = side or ""
