"""Each item of a file is told with what became of it and why, and nothing of the patient."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.explained import CtFolder, ItemKind, Outcome, explain_reading
from dicomnode.explained.report import text_lines, to_json
from dicomnode.marks import ImagePlane, read_marks
from dicomnode.marks.mark_file import MarkFile, MarkForm
from dicomnode.marks.mark_reading import MarkReading
from pipelines.recist import RecistAxes
from tests.dicomnode.marks import report_items as items
from tests.dicomnode.marks.test_rtstruct import contour, structure_set
from tests.dicomnode.studies import Study, save, study
from tests.real_data import real

SECRET = "DOE^JANE"


@pytest.fixture(scope="module")
def whole() -> Study:
    return study("explained", diameter_mm=12.0)


@pytest.fixture(scope="module")
def ct(whole, tmp_path_factory) -> CtFolder:
    folder = tmp_path_factory.mktemp("ct")
    save(whole.ct, folder)
    (folder / "notes.txt").write_text("no DICOM")
    return CtFolder.read(folder)


def report_in(form: Coordinates, whole: Study, axes: RecistAxes | None = None) -> Dataset:
    return recist_report([DrawnMark(axes or whole.axes[0], "T1")], whole.ct, "r", coordinates=form)


def told(reading: MarkReading, found) -> str:
    file = MarkFile(MarkForm.DICOM, reading, "1.2.840.10008.5.1.4.1.1.88.33", "1.2.9")
    return "\n".join(line.plain for line in text_lines(file, found, 100))


@pytest.mark.parametrize("form", list(Coordinates))
def test_a_mark_is_told_in_mm_and_pixels_on_its_slice(form, whole, ct):
    (item,) = explain_reading(read_marks(report_in(form, whole)), ct)
    in_space = form is Coordinates.SPACE
    assert item.kind is ItemKind.MARK
    assert item.outcome is (Outcome.COMPLETED if in_space else Outcome.TAKEN)
    assert item.found_image == whole.ct[12].SOPInstanceUID
    assert item.doubts == ()
    for axis in item.axes:
        assert axis.length_mm == pytest.approx(12.0, abs=1e-3)
        assert axis.length_pixels == pytest.approx(15.0, abs=1e-3)
    assert [axis.name for axis in item.axes] == ["long", "short"]
    plane = ImagePlane.from_dataset(whole.ct[12])
    np.testing.assert_allclose(
        item.drawing.lines[0], plane.to_pixel(whole.axes[0].long_axis), atol=1e-3
    )


def test_without_the_ct_lengths_are_in_the_units_of_the_object(whole):
    (item,) = explain_reading(read_marks(report_in(Coordinates.PIXELS, whole)))
    assert item.outcome is Outcome.TAKEN
    assert item.axes[0].length_mm is None
    assert item.axes[0].length_pixels == pytest.approx(15.0, abs=1e-3)
    assert item.images == ((whole.ct[12].SOPInstanceUID, None),)
    assert item.drawing is None


def test_what_cannot_be_placed_is_refused_with_its_reason(whole, ct):
    report = items.report(
        items.group(
            items.num(
                items.LENGTH,
                10,
                "mm",
                items.scoord([[5, 5], [70, 5]], on=str(whole.ct[3].SOPInstanceUID)),
            )
        )
    )
    (item,) = explain_reading(read_marks(report), ct)
    assert item.outcome is Outcome.REFUSED
    assert "outside the image of 64 columns" in item.reasons[0]
    assert item.drawing is None


def test_an_image_that_is_not_there_is_said(ct):
    report = items.report(
        items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG, on="1.2.3")))
    )
    (item,) = explain_reading(read_marks(report), ct)
    assert item.doubts == ("its image is not in the folder of the CT",)
    assert item.found_image is None


def test_what_was_completed_is_said():
    report = items.report(
        items.group(items.num(items.LENGTH, 20, "1", items.scoord(items.LONG, on="1.2.3")))
    )
    (item,) = explain_reading(read_marks(report))
    assert item.outcome is Outcome.COMPLETED
    assert any("no short axis" in reason for reason in item.reasons)
    assert any("no length in mm" in reason for reason in item.reasons)
    assert any('unit "1"' in doubt for doubt in item.doubts)


def test_an_outline_in_space_is_drawn_on_the_slice_of_its_largest_curve(whole, ct):
    plane = [ImagePlane.from_dataset(one) for one in whole.ct]
    box = np.array([[10.0, 10], [30, 12], [28, 33], [9, 25]])
    curves = [
        contour(np.round(plane[5].to_patient(box * 0.5), 4)),
        contour(np.round(plane[6].to_patient(box), 4)),
    ]
    dataset = structure_set(curves, space=str(whole.ct[0].FrameOfReferenceUID))
    (item,) = explain_reading(read_marks(dataset), ct)
    assert item.kind is ItemKind.OUTLINE
    assert item.found_image == whole.ct[6].SOPInstanceUID
    np.testing.assert_allclose(item.drawing.lines[0], box, atol=1e-2)
    assert "on 2 CT slice(s)" in item.notes


def segmentation(whole: Study, depth: int) -> Dataset:
    """Four pixels of one segment, without an image, at the place of a slice or beyond the last."""
    step = whole.volume.affine[:3, 0]
    first = np.array([float(v) for v in whole.ct[0].ImagePositionPatient])
    dataset, frame, groups = Dataset(), Dataset(), Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.9"
    dataset.SegmentationType, dataset.NumberOfFrames = "BINARY", 1
    dataset.Rows, dataset.Columns, dataset.BitsAllocated = 64, 64, 1
    dataset.FrameOfReferenceUID = whole.ct[0].FrameOfReferenceUID
    mask = np.zeros((64, 64), np.uint8)
    mask[30:32, 40:42] = 1
    dataset.PixelData = np.packbits(mask, bitorder="little").tobytes()
    groups.ReferencedSegmentNumber = 1
    frame.SegmentIdentificationSequence = [groups]
    position, orientation, measures = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = (first + depth * step).tolist()
    orientation.ImageOrientationPatient = whole.ct[0].ImageOrientationPatient
    measures.PixelSpacing = whole.ct[0].PixelSpacing
    frame.PlanePositionSequence, frame.PlaneOrientationSequence = [position], [orientation]
    frame.PixelMeasuresSequence = [measures]
    dataset.PerFrameFunctionalGroupsSequence = [frame]
    return dataset


def test_a_frame_without_an_image_lies_on_the_slice_of_its_position(whole, ct):
    (item,) = explain_reading(read_marks(segmentation(whole, 5)), ct)
    assert item.kind is ItemKind.SEGMENT
    assert item.outcome is Outcome.COMPLETED
    assert item.found_image == whole.ct[5].SOPInstanceUID
    assert item.drawing.mask.sum() == 4


def test_a_frame_far_from_every_slice_lies_on_none(whole, ct):
    (item,) = explain_reading(read_marks(segmentation(whole, 90)), ct)
    assert item.drawing is None
    assert item.doubts == ("its image is not in the folder of the CT",)


def test_items_are_told_as_text_and_as_json_without_patient_data(whole, ct):
    named = items.content("TEXT", ("112039", "DCM"))
    named.TextValue = SECRET
    private = items.content("CODE", ("121071", "DCM"))
    private.ConceptCodeSequence = [items.coded("DOE", "99DOE")]
    public = items.content("CODE", ("363698007", "SCT"))
    public.ConceptCodeSequence = [items.coded("39607008", "SCT")]
    public.ConceptCodeSequence[0].CodeMeaning = SECRET
    drawn = items.num(
        items.LENGTH, 16, "mm", items.scoord(items.LONG, on=str(whole.ct[3].SOPInstanceUID))
    )
    report = items.report(
        items.group(named, private, public, drawn),
        items.group(items.num(("1", SECRET), 3, SECRET)),
    )
    report.PatientName, report.PatientID = SECRET, SECRET
    reading = read_marks(report)
    found = explain_reading(reading, ct)
    text = told(reading, found)
    file = MarkFile(MarkForm.DICOM, reading, "1.2.840.10008.5.1.4.1.1.88.33", "1.2.9")
    answer = to_json(file, found)
    assert text.startswith("Research only, not for diagnosis")
    assert answer["notice"] == "Research only, not for diagnosis"
    assert "Comprehensive SR Storage, 1.2.9" in text
    assert [one["item"] for one in answer["items"]] == [one.item for one in found]
    for one in answer["items"]:
        assert f"{one['item']}: {one['kind']}, {one['outcome']}" in text
    assert sum(answer["outcomes"].values()) == len(found) > 1
    assert "DOE" not in text + json.dumps(answer)
    assert "site 39607008 (SCT)" in text


def test_a_long_file_is_told_up_to_the_limit(whole):
    group = items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG, on="1.2.3")))
    reading = read_marks(items.report(*[copy.deepcopy(group) for _ in range(7)]))
    found = explain_reading(reading)
    file = MarkFile(MarkForm.DICOM, reading)
    lines = [line.plain for line in text_lines(file, found, 3)]
    assert sum(": mark, " in line for line in lines) == 3
    assert lines[-1].startswith("and 4 more item(s)")


@pytest.mark.real_data
def test_a_real_segmentation_lies_on_its_real_ct():
    folder = real("dicom_objects")
    from dicomnode.marks.mark_file import read_mark_file

    reading = read_mark_file(Path(folder) / "seg_binary_dcmqi_liver.dcm").reading
    (item,) = explain_reading(reading, CtFolder.read(folder))
    assert item.kind is ItemKind.SEGMENT
    inside = item.drawing.slice.hounsfield()[item.drawing.mask > 0.5]
    assert 20 < np.median(inside) < 200  # liver
