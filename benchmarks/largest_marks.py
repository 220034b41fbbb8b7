"""Time to read the largest objects of marks that are not refused for their size.

    python -m benchmarks.largest_marks --json bench-out/largest_marks.json

Each object is made here, as large as the readers' bounds allow, encoded with defined and with
undefined lengths (PS3.5 7.5.1), and read from memory: parsing by pydicom and reading the marks.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from rich.console import Console
from rich.table import Table

from dicomnode.marks import deeplesion, gsps, gsps_graphic, lidc_xml, rtstruct, safe_xml, seg
from dicomnode.marks.mark_file import UnreadableMarkFile, read_mark_bytes
from dicomnode.marks.sr_tree import MAX_ITEMS

_ITEMS_A_GROUP = 7
_CONTOUR_POINTS = rtstruct.MAX_POINTS // rtstruct.MAX_CONTOURS
_AIM_LINES = 900


@dataclass(frozen=True)
class Timing:
    """One object.

    Attributes
    ----------
    name : str
    bytes : int
    seconds : float or None
        Processor time, least of three; None where the file is refused as a whole.
    """

    name: str
    bytes: int
    seconds: float | None


def _item(**attributes: object) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def _code(value: str, scheme: str) -> list[Dataset]:
    return [_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="any")]


def _reference(number: int, keyword: str = "ReferencedSOPSequence") -> dict[str, list[Dataset]]:
    uid = f"1.2.840.113619.2.55.3.{number}"
    image = _item(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=uid)
    return {keyword: [image]}


def report() -> Dataset:
    """A report of groups with a long and a short axis each, up to the bound of its items."""
    groups = []
    for number in range((MAX_ITEMS - 1) // _ITEMS_A_GROUP):
        axes = []
        for name, points in (("103339001", [10, 20, 40, 20]), ("103340004", [25, 12, 25, 30])):
            image = _item(ValueType="IMAGE", **_reference(number))
            line = _item(
                ValueType="SCOORD",
                GraphicType="POLYLINE",
                GraphicData=points,
                ContentSequence=[image],
            )
            value = _item(NumericValue="12.5", MeasurementUnitsCodeSequence=_code("mm", "UCUM"))
            axes.append(
                _item(
                    ValueType="NUM",
                    ConceptNameCodeSequence=_code(name, "SCT"),
                    MeasuredValueSequence=[value],
                    ContentSequence=[line],
                )
            )
        group = _item(
            ValueType="CONTAINER",
            ConceptNameCodeSequence=_code("125007", "DCM"),
            ContentSequence=axes,
        )
        groups.append(group)
    return _item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33",
        SOPInstanceUID="1.2.3",
        ValueType="CONTAINER",
        ContentSequence=groups,
    )


def presentation_state() -> Dataset:
    """Lines that all cross each other, as many on each image as are compared."""
    side = gsps.MAX_LINES // 2
    across = [[5, 10 + 5 * k, 400, 10 + 5 * k] for k in range(side)]
    down = [[10 + 5 * k, 5, 10 + 5 * k, 400] for k in range(side)]
    annotations = []
    for number in range(gsps_graphic.MAX_GRAPHICS // gsps.MAX_LINES):
        lines = [
            _item(
                GraphicAnnotationUnits="PIXEL",
                GraphicDimensions=2,
                NumberOfGraphicPoints=2,
                GraphicType="POLYLINE",
                GraphicData=points,
            )
            for points in across + down
        ]
        annotation = _item(GraphicLayer="LAYER", GraphicObjectSequence=lines)
        annotation.ReferencedImageSequence = _reference(number)["ReferencedSOPSequence"]
        annotations.append(annotation)
    return _item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1",
        SOPInstanceUID="1.2.3",
        GraphicAnnotationSequence=annotations,
    )


def structure_set() -> Dataset:
    """One region of contours on as many slices."""
    angle = np.linspace(0, 2 * np.pi, _CONTOUR_POINTS, endpoint=False)
    circle = np.stack([40 * np.cos(angle), 40 * np.sin(angle), 0 * angle], axis=1)
    contours = [
        _item(
            ContourGeometricType="CLOSED_PLANAR",
            NumberOfContourPoints=_CONTOUR_POINTS,
            ContourData=[f"{v:.3f}" for v in np.ravel(circle + np.array([0, 0, number]))],
            **_reference(number, "ContourImageSequence"),
        )
        for number in range(rtstruct.MAX_CONTOURS)
    ]
    return _item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3",
        SOPInstanceUID="1.2.3",
        FrameOfReferenceUID="1.2.5",
        StructureSetROISequence=[_item(ROINumber=1, ReferencedFrameOfReferenceUID="1.2.5")],
        ROIContourSequence=[_item(ReferencedROINumber=1, ContourSequence=contours)],
    )


def segmentation() -> Dataset:
    """Frames of five segments, each with the image it was made from."""
    frames = [
        _item(
            SegmentIdentificationSequence=[_item(ReferencedSegmentNumber=number % 5 + 1)],
            PlanePositionSequence=[_item(ImagePositionPatient=[0, 0, number])],
            DerivationImageSequence=[
                _item(
                    DerivationCodeSequence=_code("113076", "DCM"),
                    **_reference(number, "SourceImageSequence"),
                )
            ],
        )
        for number in range(seg.MAX_FRAMES)
    ]
    shared = _item(
        PlaneOrientationSequence=[_item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[_item(PixelSpacing=[0.7, 0.7])],
    )
    return _item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        SOPInstanceUID="1.2.3",
        SegmentationType="BINARY",
        Rows=64,
        Columns=64,
        NumberOfFrames=len(frames),
        SegmentSequence=[_item(SegmentNumber=number) for number in range(1, 6)],
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )


def _until(part: Callable[[int], str], head: str, tail: str, elements: int) -> bytes:
    """As many parts as XML may have, by bytes and by elements."""
    parts, size, count = [], len(head) + len(tail), 0
    for number in range(1_000_000):
        text = part(number)
        size, count = size + len(text), count + elements
        if size > safe_xml.MAX_BYTES or count > safe_xml.MAX_ELEMENTS - 10:
            break
        parts.append(text)
    return (head + "".join(parts) + tail).encode()


def aim_xml() -> bytes:
    """Annotations of one line on each of many images."""
    points = "".join(
        f'<SpatialCoordinate coordinateIndex="{k}" imageReferenceUID="1.2.NUMBER" x="{k}" y="20"/>'
        for k in range(2)
    )
    line = (
        '<GeometricShape xsi:type="MultiPoint"><spatialCoordinateCollection>'
        f"{points}</spatialCoordinateCollection></GeometricShape>"
    )

    def annotation(number: int) -> str:
        lines = (line.replace("NUMBER", f"{number}.{k}") for k in range(_AIM_LINES))
        collected = f"<geometricShapeCollection>{''.join(lines)}</geometricShapeCollection>"
        return f"<ImageAnnotation>{collected}</ImageAnnotation>"

    head = '<R xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    return _until(annotation, head, "</R>", 2 + 4 * _AIM_LINES)


def lidc() -> bytes:
    """Nodules of as many points as elements allow."""
    count = (safe_xml.MAX_ELEMENTS - 10) // lidc_xml.MAX_ITEMS // 3 - 2
    edge = "".join(
        f"<edgeMap><xCoord>{10 + 7 * k % 80}</xCoord><yCoord>{10 + k * k % 80}</yCoord></edgeMap>"
        for k in range(count)
    )
    head, tail = "<LidcReadMessage><readingSession>", "</readingSession></LidcReadMessage>"
    return _until(
        lambda n: (
            f"<unblindedReadNodule><roi><imageSOP_UID>1.2.{n}</imageSOP_UID>"
            f"<inclusion>TRUE</inclusion>{edge}</roi></unblindedReadNodule>"
        ),
        head,
        tail,
        4 + 3 * count,
    )


def table() -> bytes:
    """A DeepLesion table of as many rows as are read at once."""
    header = "File_name,Key_slice_index,Measurement_coordinates,Lesion_diameters_Pixel_,"
    row = (
        '000001_01_01_016.png,16,"20.5, 30.25, 40.5, 30.25, 30, 25, 30, 36.5","20, 11.5",'
        '"10, 22","0.5, 0.5, 2","64, 56"'
    )
    lines = [header + "Slice_range,Spacing_mm_px_,Image_size", *[row] * deeplesion.MAX_MARKS]
    return "\n".join(lines).encode()


def _undefine(dataset: Dataset) -> None:
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _undefine(item)


def _encoded(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    return file.getvalue()


def objects() -> Iterator[tuple[str, bytes]]:
    """Name and content of each."""
    for make in (report, presentation_state, structure_set, segmentation):
        dataset, name = make(), make.__name__.replace("_", " ")
        yield name, _encoded(dataset)
        _undefine(dataset)
        yield f"{name}, undefined lengths", _encoded(dataset)
    yield "AIM XML", aim_xml()
    yield "LIDC XML", lidc()
    yield "DeepLesion table", table()


def measure(name: str, content: bytes) -> Timing:
    """Read an object three times."""
    least = None
    for _ in range(3):
        started = time.process_time()
        try:
            read_mark_bytes(content)
        except UnreadableMarkFile:
            break
        seconds = time.process_time() - started
        least = seconds if least is None else min(least, seconds)
    return Timing(name, len(content), least)


def main() -> None:
    """Print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    timings = [measure(name, content) for name, content in objects()]
    shown = Table(title="the largest objects that are read")
    for column in ("object", "MiB", "s"):
        shown.add_column(column, justify="left" if column == "object" else "right")
    for one in timings:
        seconds = "refused" if one.seconds is None else f"{one.seconds:.2f}"
        shown.add_row(one.name, f"{one.bytes / 2**20:.1f}", seconds)
    Console().print(shown)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps([asdict(one) for one in timings], indent=1) + "\n")


if __name__ == "__main__":
    main()
