"""Whatever is missing, emptied, retyped or torn in an object: the readers answer, and never raise.

What they answer with can be used: finite coordinates, valid UIDs, and frames that decode or say
why not.
"""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import highdicom as hd
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.marks import ImagePlane, UndecodableFrame, read_marks
from dicomnode.marks.mark_reading import MarkReading
from dicomnode.marks.serialised import to_json
from dicomnode.store.uid import is_valid_uid
from pipelines.recist import RecistAxes
from tests.dicomnode.marks import report_items as items
from tests.dicomnode.marks.test_gsps import compound
from tests.dicomnode.marks.test_rtstruct import circle, contour, structure_set
from tests.dicomnode.marks.test_seg import write

AFFINE = np.array([[0, 0, 0.8, -50], [0, 0.6, 0, -40], [2.0, 0, 0, 10], [0, 0, 0, 1]])


def _ct(shape: tuple[int, int, int]) -> list[Dataset]:
    volume = hd.Volume(np.zeros(shape, np.int16), AFFINE, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_mutations"))


def _recist_report() -> Dataset:
    ct = _ct((2, 32, 40))
    plane = ImagePlane.from_dataset(ct[1])
    axes = RecistAxes(plane.to_patient(items.LONG), plane.to_patient(items.SHORT))
    return recist_report([DrawnMark(axes, "T1")], ct, "test_mutations")


def _report_of_all_forms() -> Dataset:
    pointer = Dataset()
    pointer.ReferencedContentItemIdentifier = [1, 1]
    return items.report(
        items.scoord(items.LONG),
        items.group(
            items.num(items.LENGTH, 16, "mm", pointer),
            items.num(items.LENGTH, 7, "mm", items.scoord(items.SHORT, frame=1)),
            items.scoord(items.BLOB, name=("111030", "DCM")),
            items.image("1.2.8", 4, 1, ("121191", "DCM")),
        ),
        items.group(items.scoord3d([[1, 1, 4], [9, 1, 4], [5, -3, 4], [5, 5, 4]], "ELLIPSE")),
    )


def _cad_report() -> Dataset:
    drawn = items.scoord(items.BLOB, name=("111041", "DCM"))
    report = items.report(items.content("CODE", ("111059", "DCM"), drawn))
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.65"
    return report


def _presentation_state() -> Dataset:
    state, annotation = Dataset(), Dataset()
    state.SOPClassUID, state.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.99"
    annotation.GraphicLayer = "LAYER"
    annotation.ReferencedImageSequence = items.image("1.2.3").ReferencedSOPSequence
    annotation.GraphicObjectSequence = []
    for points, kind in (
        (items.LONG, "POLYLINE"),
        (items.SHORT, "POLYLINE"),
        ([*items.BLOB, items.BLOB[0]], "INTERPOLATED"),
        ([[10, 10], [13, 14]], "CIRCLE"),
    ):
        graphic = Dataset()
        graphic.GraphicAnnotationUnits = "PIXEL" if kind == "POLYLINE" else "DISPLAY"
        graphic.GraphicDimensions, graphic.NumberOfGraphicPoints = 2, len(points)
        graphic.GraphicType, graphic.GraphicData = kind, np.ravel(points).tolist()
        annotation.GraphicObjectSequence.append(graphic)
    turned = compound("ELLIPSE", [[10, 8], [30, 16]], RotationAngle=30.0, RotationPoint=[20.0, 12])
    annotation.CompoundGraphicSequence = [turned]
    text, area, layer = Dataset(), Dataset(), Dataset()
    text.UnformattedTextValue = "16.4 mm"
    annotation.TextObjectSequence = [text]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [1, 1], [40, 32]
    layer.GraphicLayer, layer.GraphicLayerDescription = "LAYER", "Distance"
    state.GraphicAnnotationSequence = [annotation]
    state.DisplayedAreaSelectionSequence, state.GraphicLayerSequence = [area], [layer]
    state.ImageRotation, state.ImageHorizontalFlip = 0, "N"
    state.add_new(0x60003000, "OW", b"\0\0")
    return state


def _structure_set() -> Dataset:
    axis = contour([[0.0, -3, 7], [0, 3, 7]], "OPEN_PLANAR", "1.2.1")
    return structure_set([contour(circle(9)), contour(circle(4), image="1.2.1")], [axis])


def _segmentation(kind: str) -> Dataset:
    mask = np.zeros((2, 34, 37), np.uint8)
    mask[:, 5:20, 7:19] = 1
    pixels = mask * np.float32(0.5) if kind == "FRACTIONAL" else mask
    return write(_ct(mask.shape), pixels, kind, 1)


OBJECTS = {
    "recist report": _recist_report,
    "report of all forms": _report_of_all_forms,
    "CAD report": _cad_report,
    "presentation state": _presentation_state,
    "structure set": _structure_set,
    "binary": lambda: _segmentation("BINARY"),
    "fractional": lambda: _segmentation("FRACTIONAL"),
    "labelmap": lambda: _segmentation("LABELMAP"),
}

VALUES = st.one_of(
    st.none(),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.lists(st.floats(width=32), max_size=7),
    st.lists(st.text(max_size=4), max_size=3),
)
RETYPED = st.sampled_from(["SQ", "FL", "DS", "IS", "US", "UI", "LO", "OB", "UN", "AT", "PN"])


def _elements(dataset: Dataset, above: tuple = ()) -> list[tuple]:
    """Of each element at any depth the (sequence, item) steps to it, and its tag."""
    found = []
    for element in dataset:
        found.append((above, element.tag))
        if element.VR == "SQ":
            for index, item in enumerate(element.value[:3]):
                found.extend(_elements(item, (*above, (element.tag, index))))
    return found


def _mutate(dataset: Dataset, steps: tuple, tag, data: st.DataObject) -> None:
    parent = dataset
    for sequence, index in steps:
        parent = parent[sequence].value[index]
    element = parent[tag]
    kind = data.draw(st.sampled_from(["delete", "replace", "retype", "tear", "repeat"]))
    if kind == "delete":
        del parent[tag]
    elif kind == "replace":
        element._value = data.draw(VALUES)
    elif kind == "retype":
        parent.add_new(tag, data.draw(RETYPED), data.draw(VALUES))
    elif kind == "tear":
        value = data.draw(st.binary(max_size=12))
        raw = RawDataElement(tag, data.draw(RETYPED), len(value), value, 0, False, True)
        parent._dict[tag] = raw
    elif element.VR == "SQ":
        element.value.extend(element.value[:1] * data.draw(st.integers(1, 40)))
    elif isinstance(element.value, (list, tuple)):
        element._value = list(element.value) * data.draw(st.integers(0, 3))


def _check_usable(reading: MarkReading) -> None:
    found = (*reading.marks, *reading.outlines, *reading.segments, *reading.references)
    assert found or reading.refusals
    for refusal in reading.refusals:
        assert refusal.item
        assert refusal.reason.isprintable()
    for mark in reading.marks:
        assert len(mark.key) == 64
        json.dumps(to_json(mark))
    for outline in reading.outlines:
        assert all(np.isfinite(curve.points).all() for curve in outline.contours)
    for thing in (*reading.marks, *(c for o in reading.outlines for c in o.contours)):
        uid = thing.referenced_sop_instance_uid
        assert uid is None or is_valid_uid(uid)
        assert thing.referenced_frame is None or thing.referenced_frame > 0
    for segment in reading.segments:
        for frame in segment.frames[:4]:
            with contextlib.suppress(UndecodableFrame):
                values = frame.values
                assert 0 <= values.min() <= values.max() <= 1


@dataclass(frozen=True, repr=False)
class Original:
    """An object that is whole, and where its elements are."""

    dataset: Dataset
    elements: list[tuple]


@pytest.fixture(scope="module")
def originals() -> Callable[[str], Original]:
    @cache
    def original(name: str) -> Original:
        dataset = OBJECTS[name]()
        return Original(dataset, _elements(dataset))

    return original


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_that_is_whole_is_read_whole(originals, name):
    reading = read_marks(copy.deepcopy(originals(name).dataset))
    _check_usable(reading)
    found = (*reading.marks, *reading.outlines, *reading.segments, *reading.references)
    assert found


@pytest.mark.parametrize("name", OBJECTS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_mutation_makes_a_reader_raise(originals, name, data):
    dataset, elements = copy.deepcopy(originals(name).dataset), originals(name).elements
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for steps, tag in data.draw(st.lists(st.sampled_from(elements), min_size=1, max_size=4)):
            # An earlier mutation may have removed what holds the element, or pydicom may refuse
            # to build the new one.
            with contextlib.suppress(Exception):
                _mutate(dataset, steps, tag, data)
        _check_usable(read_marks(dataset))
