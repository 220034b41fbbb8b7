"""Marks in AIM 3 and AIM 4 XML (Annotation and Image Markup), as ePAD and ClearCanvas write it.

AIM 3 holds values in attributes, AIM 4 in elements of their own; both are read by one path. Pixel
coordinates are those of DICOM's SCOORD: the AIM toolkit copies them into its SR as they stand, and
ePAD takes them from a viewer whose pixels start at whole numbers. `includeFlag` is not heeded: the
toolkit's own samples have it false on their only line.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from dicomnode.marks.aim_calculation import StatedLengths
from dicomnode.marks.aim_value import code_of, text_of, uid_of, value_of
from dicomnode.marks.drawn_shape import (
    AxisPair,
    ClosedCurve,
    Line,
    NoShape,
    Points,
    Shape,
    are_axes,
    circle,
    ellipse,
    four_points,
    length,
    line,
    polyline,
)
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.safe_xml import UnsafeXml, parse, uid_of_bytes
from dicomnode.marks.segment import SegmentReference
from pipelines.plain_number import number

MAX_ANNOTATIONS = 400
MAX_SHAPES = 1_000
"""Shapes of one annotation; contours of a large lesion on thin slices need a few hundred."""

MAX_POINTS = 10_000
"""Points of one shape."""

MAX_COST = 16_000
"""Of all shapes of a file: four for each, and one for each of its points."""

_FLAT = {
    "spatialCoordinateCollection": "SpatialCoordinate",
    "twoDimensionSpatialCoordinateCollection": "TwoDimensionSpatialCoordinate",
}
_DEEP = {"threeDimensionSpatialCoordinateCollection": "ThreeDimensionSpatialCoordinate"}

Place = tuple[str | None, int | None, str | None]
"""Image, frame from 1, frame of reference: where the points of a shape are."""


class _Unreadable(Exception):
    """What one item lacks to be a mark."""


class _Drawn:
    """One shape of an annotation."""

    def __init__(self, element: Element, item: str, images: list[str]) -> None:
        self.item = item
        self.identifiers = {
            text
            for text in (
                uid_of(element, "uniqueIdentifier"),
                value_of(element, "shapeIdentifier"),
            )
            if text is not None
        }
        points, self.place = _read_points(element, images)
        self.shape = _shape(element, points)


def read_aim(content: bytes, root: Element | None = None) -> MarkReading:
    """Read all marks and outlines of an AIM file.

    Parameters
    ----------
    content : bytes
        An AIM 3 ``ImageAnnotation`` or an AIM 4 ``ImageAnnotationCollection``. It may be broken.
    root : Element, optional
        Its tree, where `safe_xml.parse` has made it already.

    Returns
    -------
    MarkReading
        Two lines of an annotation on one image that cross at about a right angle are one mark, the
        longer one its long axis; a line alone on its image is a mark of one axis; ellipses and
        circles are the mark of their diameters. All closed curves of an annotation are one
        outline, and a DICOM segmentation that it names is a reference. What cannot be read is a
        refusal at its own place. The source of all of them is the UID of the collection or of the
        only annotation, or where that is no UID, one made of the file's bytes.
    """
    try:
        root = parse(content) if root is None else root
    except UnsafeXml as problem:
        return MarkReading(refusals=(Refusal("1", str(problem)),))
    source = uid_of(root, "uniqueIdentifier") or uid_of_bytes(content)
    reading = _Reading(source)
    for index, annotation in enumerate(root.iter("ImageAnnotation"), start=1):
        item = f"ImageAnnotation {index}"
        if index > MAX_ANNOTATIONS:
            reading.refuse(item, f"more than {MAX_ANNOTATIONS} annotations, the rest is not read")
            break
        reading.read(annotation, item)
    found = reading.finish()
    if not (found.marks or found.outlines or found.references or found.refusals):
        return MarkReading(refusals=(Refusal("1", "no ImageAnnotation in this file"),))
    return found


class _Reading:
    """What was found so far."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.left = MAX_COST
        self.marks: list[RecistMark] = []
        self.outlines: list[Outline] = []
        self.references: list[SegmentReference] = []
        self.refusals: list[Refusal] = []

    def finish(self) -> MarkReading:
        return MarkReading(
            marks=tuple(self.marks),
            outlines=tuple(self.outlines),
            references=tuple(self.references),
            refusals=tuple(self.refusals),
        )

    def refuse(self, item: str, reason: str) -> None:
        self.refusals.append(Refusal(item, reason))

    def read(self, annotation: Element, item: str) -> None:
        """Read one annotation."""
        before = len(self.marks), len(self.outlines), len(self.references), len(self.refusals)
        author = {
            "source_sop_instance_uid": self.source,
            "tracking_id": _tracking_id(annotation),
            "tracking_uid": uid_of(annotation, "trackingUniqueIdentifier")
            or uid_of(annotation, "uniqueIdentifier"),
            "site": _site(annotation),
        }
        drawn = self._drawn(annotation, item)
        self._read_marks(annotation, item, drawn, author)
        self._read_outlines(annotation, item, drawn, author)
        self._read_references(annotation, item, author)
        after = len(self.marks), len(self.outlines), len(self.references), len(self.refusals)
        if before == after:
            self.refuse(item, "the annotation draws nothing on an image")

    def _drawn(self, annotation: Element, item: str) -> list[_Drawn]:
        elements = [
            *annotation.findall("geometricShapeCollection/GeometricShape"),
            *annotation.findall("markupEntityCollection/MarkupEntity"),
        ]
        if len(elements) > MAX_SHAPES:
            reason = f"found {len(elements)} shapes, the first {MAX_SHAPES} are read"
            self.refuse(item, reason)
        images = sorted({name for image in annotation.iter("Image") if (name := _image(image))})
        drawn = []
        for index, element in enumerate(elements[:MAX_SHAPES], start=1):
            if element.get("xsi:type") == "TextAnnotationEntity":
                continue  # a label beside a shape
            self.left -= 4 + sum(len(part) for part in element)
            if self.left < 0:
                # Half a lesion would look like a whole one.
                self.refuse(item, "not read: the file holds too many shapes and points")
                return []
            try:
                drawn.append(_Drawn(element, f"{item}, shape {index}", images))
            except (_Unreadable, NoShape) as problem:
                self.refuse(f"{item}, shape {index}", str(problem))
        return drawn

    def _read_marks(
        self, annotation: Element, item: str, drawn: list[_Drawn], author: dict
    ) -> None:
        lines = [one for one in drawn if isinstance(one.shape, Line)]
        whole = [one for one in drawn if isinstance(one.shape, AxisPair)]
        pairs, single, unclear = _pair(lines)
        for one in unclear:
            self.refuse(one.item, "several lines on one image that are no long and short axis")
        stated = StatedLengths(annotation, len(lines))
        alone = len(pairs) + len(single) + len(whole) == 1
        for long, short in pairs:
            self._add(
                item if alone else long.item,
                long.place,
                long.shape.points,
                short.shape.points,
                (stated.long_mm(long.identifiers), stated.short_mm(short.identifiers)),
                author,
            )
        for one in single:
            lengths = stated.long_mm(one.identifiers), None
            place = item if alone else one.item
            self._add(place, one.place, one.shape.points, None, lengths, author)
        for one in whole:
            place = item if alone else one.item
            axes = one.shape.long, one.shape.short
            self._add(place, one.place, *axes, (None, None), author)

    def _add(
        self,
        item: str,
        place: Place,
        long: Points,
        short: Points | None,
        lengths: tuple[float | None, float | None],
        author: dict,
    ) -> None:
        image, frame, space = place
        self.marks.append(
            RecistMark(
                long_axis=long,
                short_axis=short,
                item=item,
                referenced_sop_instance_uid=image,
                referenced_frame=frame,
                frame_of_reference_uid=space,
                stated_long_mm=lengths[0],
                stated_short_mm=lengths[1],
                **author,
            )
        )

    def _read_outlines(
        self, annotation: Element, item: str, drawn: list[_Drawn], author: dict
    ) -> None:
        curves = [one for one in drawn if isinstance(one.shape, ClosedCurve)]
        holes = _excluded(annotation)
        by_space: dict[str | None, list[_Drawn]] = {}
        for one in curves:
            by_space.setdefault(one.place[2], []).append(one)
        for space, some in by_space.items():
            contours = tuple(
                Contour(
                    points=one.shape.points,
                    referenced_sop_instance_uid=one.place[0],
                    referenced_frame=one.place[1],
                    encloses_lesion=not one.identifiers & holes,
                )
                for one in some
            )
            if not any(contour.encloses_lesion for contour in contours):
                self.refuse(some[0].item, "only holes, expected an outline around them")
                continue
            place = item if len(by_space) == 1 else some[0].item
            self.outlines.append(
                Outline(contours=contours, item=place, frame_of_reference_uid=space, **author)
            )

    def _read_references(self, annotation: Element, item: str, author: dict) -> None:
        entities = [
            *annotation.findall("segmentationCollection/Segmentation"),
            *annotation.findall("segmentationEntityCollection/SegmentationEntity"),
        ]
        for index, entity in enumerate(entities[:MAX_SHAPES], start=1):
            place = item if len(entities) == 1 else f"{item}, segmentation {index}"
            name = uid_of(entity, "sopInstanceUid", "sopInstanceUID")
            segment = number(value_of(entity, "segmentNumber"))
            if name is None or segment is None or segment < 1 or not segment.is_integer():
                self.refuse(place, "the segmentation is not named by UID and segment number")
                continue
            self.references.append(
                SegmentReference(
                    seg_sop_instance_uid=name,
                    segment_number=int(segment),
                    frames=(),
                    item=place,
                    **author,
                )
            )


def _pair(lines: list[_Drawn]) -> tuple[list[tuple[_Drawn, _Drawn]], list[_Drawn], list[_Drawn]]:
    """Long and short axes on one image, lines alone on an image, and lines that are neither."""
    by_place: dict[Place, list[_Drawn]] = {}
    for one in lines:
        by_place.setdefault(one.place, []).append(one)
    pairs, single, unclear = [], [], []
    for some in by_place.values():
        if len(some) == 1:
            single += some
        elif len(some) == 2 and are_axes(*(one.shape.points for one in some)):
            long, short = sorted(some, key=lambda one: -length(one.shape.points))
            pairs.append((long, short))
        else:
            unclear += some
    return pairs, single, unclear


def _shape(element: Element, points: Points) -> Shape:
    kind = element.get("xsi:type") or ""
    kind = kind.removeprefix("TwoDimension").removeprefix("ThreeDimension")
    if kind == "MultiPoint":
        return four_points(points) if len(points) == 4 else line(points)
    if kind in ("Polyline", "Polygon", "Spline"):
        return polyline(points, region=True)
    if kind == "Ellipse":
        return ellipse(points)
    if kind == "Circle":
        return circle(points)
    if kind == "Point":
        raise _Unreadable("a point, expected a line or an outline")
    raise _Unreadable("the shape is none that AIM draws on an image")


def _read_points(element: Element, images: list[str]) -> tuple[Points, Place]:
    flat = _coordinates(element, _FLAT)
    deep = _coordinates(element, _DEEP)
    if flat and flat[0].get("xsi:type") == "ThreeDimensionSpatialCoordinate":
        flat, deep = [], flat + deep
    elements, names = (deep, "xyz") if deep else (flat, "xy")
    if flat and deep:
        raise _Unreadable("the points are partly on an image and partly in space")
    if not 0 < len(elements) <= MAX_POINTS:
        raise _Unreadable(f"found {len(elements)} points, expected 1 to {MAX_POINTS}")
    values = [[number(value_of(one, name)) for name in names] for one in elements]
    if any(value is None for point in values for value in point):
        raise _Unreadable("a coordinate is missing or cannot be read")
    order = [number(value_of(one, "coordinateIndex")) for one in elements]
    if None not in order and len(set(order)) == len(order):
        values = [values[index] for index in sorted(range(len(order)), key=order.__getitem__)]
    points = np.array(values, dtype=np.float64)
    if deep:
        return points, (None, None, _only(element, elements, "frameOfReferenceUid"))
    image = _only(element, elements, "imageReferenceUid", images)
    frames = {number(value_of(one, "referencedFrameNumber")) for one in [element, *elements]}
    frames = {int(frame) for frame in frames if frame is not None and frame >= 1}
    if len(frames) > 1:
        raise _Unreadable("the points name several frames")
    return points, (image, next(iter(frames), None), None)


def _coordinates(element: Element, names: dict[str, str]) -> list[Element]:
    """Points in all collections of some names; a path would be looked up anew for each shape."""
    return [
        point for part in element if part.tag in names for point in part.findall(names[part.tag])
    ]


def _only(
    element: Element, points: list[Element], name: str, otherwise: list[str] | None = None
) -> str:
    """The one UID that a shape or its points name, in AIM 3 spelt ``...UID``."""
    spelt = name, name.removesuffix("Uid") + "UID"
    found = {uid for one in [element, *points] if (uid := uid_of(one, *spelt)) is not None}
    if not found and otherwise is not None:
        found = set(otherwise)
    if len(found) != 1:
        raise _Unreadable(f"expected one {name} for all points, found {len(found)}")
    return found.pop()


def _image(image: Element) -> str | None:
    return uid_of(image, "sopInstanceUid", "sopInstanceUID")


def _excluded(annotation: Element) -> set[str]:
    """Identifiers of shapes that a statement of the annotation takes out of another."""
    return {
        name
        for statement in annotation.findall(
            "imageAnnotationStatementCollection/ImageAnnotationStatement"
        )
        if "Excludes" in (statement.get("xsi:type") or "")
        and (name := uid_of(statement, "objectUniqueIdentifier")) is not None
    }


def _tracking_id(annotation: Element) -> str | None:
    for lesion in annotation.findall("lesionObservationEntityCollection/LesionObservationEntity"):
        text = text_of(lesion, "trackingIdentifier")
        if text is not None:
            return text
    return text_of(annotation, "name")


def _site(annotation: Element) -> Code | None:
    for element in annotation.findall("anatomicEntityCollection/AnatomicEntity"):
        return code_of(element)
    for element in annotation.findall("imagingPhysicalEntityCollection/ImagingPhysicalEntity"):
        return code_of(element)
    return None
