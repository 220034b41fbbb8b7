"""Every object gets an answer: what it holds, or why nothing."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomnode.marks import READERS, read_marks
from tests.dicomnode.marks.report_items import IMAGE, LENGTH, LONG, content, image, num, scoord


@pytest.mark.parametrize("sop_class", READERS)
def test_an_empty_object_of_each_class_is_refused_with_a_reason(sop_class):
    empty = Dataset()
    empty.SOPClassUID = sop_class
    for uid in (None, "1.2.3"):
        if uid is not None:
            empty.SOPInstanceUID = uid
        reading = read_marks(empty)
        assert reading.marks == reading.outlines == reading.segments == ()
        assert reading.refusals
        assert all(refusal.reason for refusal in reading.refusals)


def test_the_classes_are_those_of_the_standard():
    names = {UID(sop_class).name for sop_class in READERS}
    assert {"RT Structure Set Storage", "Segmentation Storage"} <= names
    assert sum("SR" in name.split() for name in names) == 8
    assert sum("Presentation State" in name for name in names) == 5


def test_a_key_object_names_images_and_holds_no_geometry():
    document = content("CONTAINER", ("113000", "DCM"), image(IMAGE), image(IMAGE))
    document.ContentSequence.append(num(LENGTH, 16, "mm", scoord(LONG)))
    document.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.59"
    reading = read_marks(document)
    assert reading.marks == ()
    (refusal,) = reading.refusals
    assert "no geometry" in refusal.reason
    assert "3 here" in refusal.reason
