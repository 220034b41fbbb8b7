"""Content items of structured reports, written by hand: also such as no library would write."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

LONG = [[10.0, 12.5], [30.0, 12.5]]
SHORT = [[20.5, 5.0], [20.5, 18.0]]
APART = [[2.0, 25.0], [2.0, 29.0]]
BLOB = [[5.0, 5], [12, 4], [15, 9], [11, 14], [4, 11]]
IMAGE, OTHER_IMAGE, SPACE = "1.2.3", "1.2.4", "1.2.5"
LENGTH, AREA = ("410668003", "SCT"), ("42798000", "SCT")


def coded(value: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "any"
    return item


def content(value_type: str, name: tuple[str, str] | None = None, *children: Dataset) -> Dataset:
    item = Dataset()
    item.ValueType = value_type
    if name is not None:
        item.ConceptNameCodeSequence = [coded(*name)]
    if children:
        item.ContentSequence = list(children)
    return item


def image(uid: str, frame: int | None = None, segment: int | None = None, name=None) -> Dataset:
    item, reference = content("IMAGE", name), Dataset()
    reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    reference.ReferencedSOPInstanceUID = uid
    if frame is not None:
        reference.ReferencedFrameNumber = frame
    if segment is not None:
        reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
        reference.ReferencedSegmentNumber = segment
    item.ReferencedSOPSequence = [reference]
    return item


def scoord(points, kind="POLYLINE", on=IMAGE, name=None, frame=None) -> Dataset:
    item = content("SCOORD", name, image(on, frame))
    item.GraphicType, item.GraphicData = kind, np.ravel(points).tolist()
    return item


def scoord3d(points, kind="POLYLINE", space=SPACE, name=None) -> Dataset:
    item = content("SCOORD3D", name)
    item.GraphicType, item.GraphicData = kind, np.ravel(points).tolist()
    item.ReferencedFrameOfReferenceUID = space
    return item


def num(name: tuple[str, str], value: float, unit: str, *children: Dataset) -> Dataset:
    item, measured = content("NUM", name, *children), Dataset()
    measured.NumericValue = str(value)
    measured.MeasurementUnitsCodeSequence = [coded(unit, "UCUM")]
    item.MeasuredValueSequence = [measured]
    return item


def group(*children: Dataset) -> Dataset:
    return content("CONTAINER", ("125007", "DCM"), *children)


def report(*children: Dataset) -> Dataset:
    document = content("CONTAINER", ("126000", "DCM"), *children)
    document.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    document.SOPInstanceUID = "1.2.99"
    return document
