"""Reports of other templates: what holds coordinates is a lesion, points are none."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomnode.marks import read_marks
from tests.dicomnode.marks.report_items import (
    BLOB,
    IMAGE,
    LENGTH,
    LONG,
    SHORT,
    coded,
    content,
    image,
    num,
    scoord,
)
from tests.real_data import real

CENTRE, OUTLINE = ("111010", "DCM"), ("111041", "DCM")


def finding(*children: Dataset) -> Dataset:
    """A Single Image Finding (PS3.16 TID 4104): a nodule."""
    item = content("CODE", ("111059", "DCM"), *children)
    item.ConceptCodeSequence = [coded("27925004", "SCT")]
    return item


def cad(*children: Dataset, sop_class: str = "1.2.840.10008.5.1.4.1.1.88.65") -> Dataset:
    document = content("CONTAINER", ("112000", "DCM"), *children)
    document.SOPClassUID, document.SOPInstanceUID = sop_class, "1.2.99"
    return document


def test_points_are_refused_and_outlines_read_each_in_its_finding():
    reading = read_marks(
        cad(
            finding(scoord([[3.0, 4]], "POINT", name=CENTRE)),
            finding(scoord([[9.0, 9]], "POINT", name=CENTRE), scoord(BLOB, name=OUTLINE)),
        )
    )
    (outline,) = reading.outlines
    np.testing.assert_allclose(outline.contours[0].points, BLOB)
    assert (outline.item, outline.finding.value) == ("1.2", "27925004")
    (refusal,) = reading.refusals
    assert refusal.item == "1.1.1"
    assert "POINT" in refusal.reason


def test_an_image_that_is_referred_to_in_the_library_is_found():
    drawn = scoord(BLOB, name=OUTLINE)
    pointer = Dataset()
    pointer.RelationshipType = "SELECTED FROM"
    pointer.ReferencedContentItemIdentifier = [1, 1, 1]
    drawn.ContentSequence = [pointer]
    library = content("CONTAINER", ("111028", "DCM"), image(IMAGE))
    (outline,) = read_marks(cad(library, finding(drawn))).outlines
    assert outline.contours[0].referenced_sop_instance_uid == IMAGE


@pytest.mark.parametrize("sop_class", ["11", "22", "33", "34", "35", "50", "65", "69"])
def test_axes_in_any_container_of_any_report_are_read(sop_class):
    axes = [num(LENGTH, 16, "mm", scoord(LONG)), num(LENGTH, 7, "mm", scoord(SHORT))]
    document = cad(
        content("CONTAINER", ("X1", "99VENDOR"), *axes),
        sop_class=f"1.2.840.10008.5.1.4.1.1.88.{sop_class}",
    )
    (mark,) = read_marks(document).marks
    assert mark.item == "1.1"
    np.testing.assert_allclose(mark.short_axis, SHORT)


def test_a_report_without_coordinates_is_one_refusal():
    reading = read_marks(cad(content("TEXT", ("121106", "DCM"))))
    (refusal,) = reading.refusals
    assert "no coordinates" in refusal.reason


def test_a_line_without_a_measurement_is_refused():
    reading = read_marks(cad(finding(scoord(LONG))))
    assert reading.marks == ()
    assert "without a measured length" in reading.refusals[0].reason


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
def test_lines_of_the_aim_toolkit_are_read_without_the_patients_number():
    folder = real("aim_recist_pairs/aim_dicom_sr")
    slices = {
        str(header.SOPInstanceUID)
        for path in real("aim_recist_pairs/ct").rglob("*")
        if path.is_file()
        for header in [pydicom.dcmread(path, stop_before_pixels=True, force=True)]
        if "SOPInstanceUID" in header
    }
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert files
    for path in files:
        reading = read_marks(pydicom.dcmread(path))
        assert reading.refusals == ()
        (mark,) = reading.marks
        assert mark.short_axis is None
        assert mark.tracking_id is None
        assert mark.referenced_sop_instance_uid in slices
        assert mark.referenced_frame is None
