"""Say of a file of marks, item by item, what was found, taken, completed or refused, and why."""

from __future__ import annotations

from dicomnode.explained.ct_folder import CtFolder, CtSlice
from dicomnode.explained.explain_file import explain_reading
from dicomnode.explained.item import Axis, ExplainedItem, ItemKind, Outcome

__all__ = [
    "Axis",
    "CtFolder",
    "CtSlice",
    "ExplainedItem",
    "ItemKind",
    "Outcome",
    "explain_reading",
]
