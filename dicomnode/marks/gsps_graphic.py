"""The graphics of a presentation state: which there are, what they draw, and on what image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.marks import drawn_shape
from dicomnode.marks.attributes import (
    read_attribute,
    read_integers,
    read_numbers,
    read_sequence,
    read_text,
    read_uid,
)
from dicomnode.marks.displayed_area import displayed_area
from dicomnode.marks.drawn_shape import AxisPair, Line, NoShape, Points, Shape
from dicomnode.marks.mark_reading import Refusal

MAX_ANNOTATIONS = 1_000
MAX_GRAPHICS = 1_000
"""Annotations of a presentation state, and graphics in all of them, that are read."""

_LENGTH = re.compile(r"(?<![\w.,])(\d{1,4}(?:[.,]\d{1,4})?) ?(mm|cm)(?![\w²³^/])")
_MEASURING = re.compile(r"measur|dist|length|calip|ruler|diamet|recist|bidim", re.IGNORECASE)

_MEASURING_COMPOUNDS = frozenset({"RULER", "MULTILINE", "ELLIPSE"})
_OTHER_COMPOUNDS = frozenset(
    {"INFINITELINE", "CUTLINE", "RANGELINE", "AXIS", "CROSSHAIR", "ARROW", "RECTANGLE"}
)


@dataclass(frozen=True)
class Image:
    """What a graphic is drawn on; `frame` from 1, None where none is named."""

    sop_instance_uid: str
    frame: int | None


@dataclass(frozen=True, eq=False)
class DrawnGraphic:
    """A graphic that could be read.

    Attributes
    ----------
    item : str
        Where, such as ``annotation 1 graphic 2``.
    annotation : int
        The annotation it is part of, from 1.
    layer : str
        Graphic Layer; never shown to anyone.
    image : Image
    shape : Shape
        In pixels, from the outer corner of the first one.
    says_it_measures : bool
        A RULER, or a layer that is called so.
    tracking_id, tracking_uid : str or None
        As the graphic's author wrote them.
    """

    item: str
    annotation: int
    layer: str
    image: Image
    shape: Shape
    says_it_measures: bool
    tracking_id: str | None = None
    tracking_uid: str | None = None


@dataclass
class Drawn:
    """All graphics of a presentation state.

    Attributes
    ----------
    graphics : list of DrawnGraphic
    stated_mm : dict
        Annotation number to the lengths that its texts state.
    refusals : list of Refusal
    """

    graphics: list[DrawnGraphic] = field(default_factory=list)
    stated_mm: dict[int, list[float]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)


def read_graphics(dataset: Dataset) -> Drawn:
    """Read what a presentation state draws (PS3.3 C.10.5).

    A compound graphic is taken for itself; the simple graphics that stand for it in older viewers
    are left out (PS3.3 C.10.5.1.3.1).
    """
    drawn = Drawn()
    everywhere = _presented_images(dataset)
    measuring = _measuring_layers(dataset)
    annotations = read_sequence(dataset, "GraphicAnnotationSequence")
    seen = 0
    for number, annotation in enumerate(annotations[:MAX_ANNOTATIONS], start=1):
        images = _images(annotation) or everywhere
        layer = read_text(annotation, "GraphicLayer") or ""
        drawn.stated_mm[number] = list(_stated_lengths(annotation))
        for item, graphic, is_compound in _graphics(annotation, number):
            seen += 1
            if seen > MAX_GRAPHICS:
                break
            try:
                image = _one_image(images)
                if is_compound:
                    shapes = _compound_shapes(graphic, dataset, image)
                else:
                    shapes = [_simple_shape(graphic, dataset, image)]
            except NoShape as problem:
                drawn.refusals.append(Refusal(item, str(problem)))
                continue
            measures = layer in measuring or (
                is_compound and read_text(graphic, "CompoundGraphicType") == "RULER"
            )
            tracking = read_text(graphic, "TrackingID"), read_uid(graphic, "TrackingUID")
            drawn.graphics.extend(
                DrawnGraphic(item, number, layer, image, shape, measures, *tracking)
                for shape in shapes
            )
    if len(annotations) > MAX_ANNOTATIONS or seen > MAX_GRAPHICS:
        reason = (
            f"more than {MAX_ANNOTATIONS} annotations or {MAX_GRAPHICS} graphics; "
            "the rest was not read"
        )
        drawn.refusals.append(Refusal("1", reason))
    return drawn


def _graphics(annotation: Dataset, number: int) -> Iterator[tuple[str, Dataset, bool]]:
    """Place, item and whether it is a compound, of each graphic that stands for itself."""
    compounds = read_sequence(annotation, "CompoundGraphicSequence")
    taken = set()
    for index, compound in enumerate(compounds, start=1):
        if read_text(compound, "CompoundGraphicType") in _MEASURING_COMPOUNDS | _OTHER_COMPOUNDS:
            taken.add(read_integers(compound, "CompoundGraphicInstanceID"))
            yield f"annotation {number} compound graphic {index}", compound, True
    taken -= {None, ()}
    for index, graphic in enumerate(read_sequence(annotation, "GraphicObjectSequence"), start=1):
        if read_integers(graphic, "CompoundGraphicInstanceID") not in taken:
            yield f"annotation {number} graphic {index}", graphic, False


def _simple_shape(graphic: Dataset, dataset: Dataset, image: Image) -> Shape:
    units = read_text(graphic, "GraphicAnnotationUnits")
    points = _points(graphic, units, dataset, image)
    announced = read_integers(graphic, "NumberOfGraphicPoints")
    if announced not in ((), (len(points),)):
        raise NoShape(f"announces another number of points than the {len(points)} it holds")
    graphic_type = read_text(graphic, "GraphicType")
    match graphic_type:
        case "POINT":
            raise NoShape("a point (POINT) says where something is, not how large it is")
        case "POLYLINE" | "INTERPOLATED":
            shape = drawn_shape.polyline(points, region=False)
            filled = read_text(graphic, "GraphicFilled") == "Y"
            if filled and not isinstance(shape, Line) and len(shape.points) == 3:
                raise NoShape("a filled triangle: the head of an arrow")
            return shape
        case "ELLIPSE":
            return drawn_shape.ellipse(points)
        case "CIRCLE":
            return drawn_shape.circle(points)
    raise NoShape("expected a POLYLINE, INTERPOLATED, ELLIPSE or CIRCLE, found another or none")


def _compound_shapes(graphic: Dataset, dataset: Dataset, image: Image) -> list[Shape]:
    kind = read_text(graphic, "CompoundGraphicType")
    units = read_text(graphic, "CompoundGraphicUnits")
    if kind not in _MEASURING_COMPOUNDS:
        raise NoShape(f"a compound graphic {kind}: it does not measure a lesion")
    points = _points(graphic, units, dataset, image, rotate=True)
    if kind == "MULTILINE":  # pairs of points (PS3.3 C.10.5.1.3.5)
        if len(points) % 2:
            raise NoShape(f"expected lines of 2 points, found {len(points)} points")
        return [drawn_shape.line(pair) for pair in points.reshape(-1, 2, 2)[:100]]
    if kind == "RULER":
        return [drawn_shape.line(points)]
    return [_axis_pair_of(points)]


def _axis_pair_of(corners: Points) -> AxisPair:
    """Axes of a compound ELLIPSE, whose bounding box is given as four corners in a ring."""
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    return drawn_shape.ellipse(middles[[0, 2, 1, 3]])


def _points(
    graphic: Dataset, units: str | None, dataset: Dataset, image: Image, *, rotate: bool = False
) -> Points:
    """Points of a graphic in pixels, shape (n, 2); of a compound ELLIPSE its box's corners."""
    if read_integers(graphic, "GraphicDimensions") not in ((), (2,)):
        raise NoShape("expected points of 2 dimensions")
    values = read_numbers(graphic, "GraphicData")
    if values is None or values.size % 2:
        raise NoShape("the coordinates are missing or cannot be read")
    points = drawn_shape.plausible(values.reshape(-1, 2))
    if rotate:
        if read_text(graphic, "CompoundGraphicType") == "ELLIPSE":
            if len(points) != 2:
                raise NoShape(f"expected the 2 corners of an ellipse's box, found {len(points)}")
            (left, top), (right, bottom) = points
            points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        points = _rotated(points, graphic)
    if units == "PIXEL":
        return drawn_shape.plausible(points)
    if units == "DISPLAY":
        area = displayed_area(dataset, image.sop_instance_uid)
        if area is None:
            raise NoShape("in units of a displayed area that the object does not state")
        return drawn_shape.plausible(area.to_pixels(points))
    if units == "MATRIX":
        raise NoShape("in units of the Total Pixel Matrix of a tiled image, expected pixels")
    raise NoShape("the units are missing or unknown, expected PIXEL or DISPLAY")


def _rotated(points: Points, graphic: Dataset) -> Points:
    """Turn a compound graphic counterclockwise as it is seen (PS3.3 C.10.5.1.3.2)."""
    angle = read_numbers(graphic, "RotationAngle")
    if angle is None and "RotationAngle" in graphic:
        raise NoShape("rotated by an angle that cannot be read")
    if angle is None or angle[0] % 360 == 0:
        return points
    centre = read_numbers(graphic, "RotationPoint")
    if centre is None or centre.size != 2:
        raise NoShape("rotated about a point that it does not state")
    sine, cosine = np.sin(np.radians(angle[0])), np.cos(np.radians(angle[0]))
    # Rows count downwards, so counterclockwise is towards lower rows.
    return centre + (points - centre) @ np.array([[cosine, -sine], [sine, cosine]])


def _one_image(images: list[Image]) -> Image:
    if not images:
        raise NoShape("the object does not say which image it is drawn on")
    if len(images) > 1:
        raise NoShape(f"drawn on {len(images)} images or frames at once, expected one")
    return images[0]


def _images(holder: Dataset) -> list[Image]:
    """Images and frames of a Referenced Image Sequence, each once."""
    found: dict[Image, None] = {}
    for reference in read_sequence(holder, "ReferencedImageSequence")[:MAX_ANNOTATIONS]:
        uid = read_uid(reference, "ReferencedSOPInstanceUID")
        frames = read_integers(reference, "ReferencedFrameNumber")
        if uid is None or frames is None or any(frame < 1 for frame in frames):
            continue
        for frame in frames[:MAX_ANNOTATIONS] or (None,):
            found[Image(uid, frame)] = None
    return list(found)


def _presented_images(dataset: Dataset) -> list[Image]:
    """All images that the presentation state is for (PS3.3 C.11.11)."""
    found: dict[Image, None] = {}
    for series in read_sequence(dataset, "ReferencedSeriesSequence")[:MAX_ANNOTATIONS]:
        found.update(dict.fromkeys(_images(series)))
        if len(found) > MAX_ANNOTATIONS:
            break
    return list(found)


def _measuring_layers(dataset: Dataset) -> set[str]:
    """Layers whose name or description names a measuring tool, as some writers do."""
    found = set()
    for item in read_sequence(dataset, "GraphicLayerSequence")[:MAX_ANNOTATIONS]:
        layer = read_text(item, "GraphicLayer") or ""
        if _MEASURING.search(f"{layer} {read_text(item, 'GraphicLayerDescription') or ''}"):
            found.add(layer)
    return found


def _stated_lengths(annotation: Dataset) -> Iterator[float]:
    """Lengths in mm that texts state, such as ``12.5 mm``; nothing else of a text goes further."""
    for item in read_sequence(annotation, "TextObjectSequence")[:MAX_ANNOTATIONS]:
        text = read_attribute(item, "UnformattedTextValue")
        if not isinstance(text, str):
            continue
        for number, unit in _LENGTH.findall(text[:10_000]):
            length = float(number.replace(",", ".")) * (10 if unit == "cm" else 1)
            if length > 0:
                yield length
