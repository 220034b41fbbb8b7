"""Key Object Selection documents (PS3.3 A.35.4): they name images and hold no geometry."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.sr_graphic import walk_report
from dicomnode.marks.sr_tree import ContentItem


def read_key_object(dataset: Dataset) -> MarkReading:
    """Refuse a Key Object Selection, with the number of images that it names.

    Parameters
    ----------
    dataset : Dataset
        It may break the standard.

    Returns
    -------
    MarkReading
        One refusal. Coordinates are not allowed in such a document (PS3.3 A.35.4.3.1.2), and none
        are looked for.
    """
    items, _ = walk_report(ContentItem(dataset))
    images = sum(item.value_type == "IMAGE" for item in items)
    reason = f"a key object selection names images ({images} here) and holds no geometry"
    return MarkReading(refusals=(Refusal("1", reason),))
