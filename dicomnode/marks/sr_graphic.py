"""The coordinates in a structured report: which there are, what they draw, and on what image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dicomnode.marks import codes, drawn_shape
from dicomnode.marks.drawn_shape import NoShape, Points, Shape
from dicomnode.marks.mark_reading import Refusal
from dicomnode.marks.sr_tree import MAX_ITEMS, ContentItem


class UnreadableItem(Exception):
    """What one content item lacks to be used."""

    def __init__(self, item: ContentItem, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(item.label, reason)


@dataclass(frozen=True, eq=False)
class Graphic:
    """One SCOORD or SCOORD3D item.

    Attributes
    ----------
    scoord : ContentItem
    measurement : ContentItem or None
        The NUM item that it was measured on.
    """

    scoord: ContentItem
    measurement: ContentItem | None

    @property
    def bounds_region(self) -> bool:
        """Whether the report says that the graphic is a region's outline."""
        if self.scoord.is_named(codes.REGION_OUTLINES):
            return True
        number = None if self.measurement is None else self.measurement.number
        return number is not None and codes.REGION_UNITS.covers(number[1])


@dataclass(frozen=True)
class Place:
    """What the points of a graphic are relative to.

    Attributes
    ----------
    sop_instance_uid : str or None
        The image, for points in pixels.
    frame : int or None
        Frame number from 1, where one is named.
    frame_of_reference_uid : str or None
        For points in space.
    """

    sop_instance_uid: str | None = None
    frame: int | None = None
    frame_of_reference_uid: str | None = None

    def same_as(self, other: Place) -> bool:
        """Whether both are one plane or one space; no frame is the first."""
        return (self.sop_instance_uid, self.frame or 1, self.frame_of_reference_uid) == (
            other.sop_instance_uid,
            other.frame or 1,
            other.frame_of_reference_uid,
        )


@dataclass(frozen=True, eq=False)
class Drawing:
    """A graphic that could be read."""

    graphic: Graphic
    shape: Shape
    place: Place


def walk_report(root: ContentItem) -> tuple[list[ContentItem], bool]:
    """All content items in document order, without what is below an image library.

    Returns
    -------
    items : list of ContentItem
        At most `MAX_ITEMS`.
    whole : bool
        False if there were more.
    """
    items: list[ContentItem] = []
    stack = [root]
    while stack:
        if len(items) >= MAX_ITEMS:
            return items, False
        item = stack.pop()
        items.append(item)
        if item.value_type != "CONTAINER" or not item.is_named(codes.IMAGE_LIBRARY):
            stack.extend(reversed(item.children))
    return items, True


def graphics_by_holder(
    items: list[ContentItem], root: ContentItem, is_holder: Callable[[ContentItem], bool]
) -> dict[tuple[int, ...], list[Graphic]]:
    """Sort the graphics of a report by the item that they belong to.

    Parameters
    ----------
    items : list of ContentItem
        From `walk_report`.
    root : ContentItem
    is_holder : callable
        Whether an item holds graphics; the nearest one above a graphic is its own.

    Returns
    -------
    dict
        Position of a holder to its graphics in document order, each once. A graphic that is
        referred to (PS3.3 C.17.3.2.5) belongs where the reference stands.
    """
    known = {item.position: item for item in items}
    referred: list[tuple[ContentItem, ContentItem]] = []
    standing: list[tuple[ContentItem, ContentItem]] = []
    for item in items:
        if item.value_type in ("SCOORD", "SCOORD3D"):
            standing.append((item, item))
        elif item.is_pointer:
            target = item.follow(root)
            if target is not None and target.value_type in ("SCOORD", "SCOORD3D"):
                referred.append((item, target))
    found: dict[tuple[int, ...], dict[tuple[int, ...], Graphic]] = {}
    claimed = {target.position for _, target in referred}
    for here, scoord in [
        *referred,
        *(pair for pair in standing if pair[1].position not in claimed),
    ]:
        measurement = None
        position = here.position[:-1]
        while position:
            above = known.get(position)
            if above is None:
                break
            if measurement is None and above.value_type == "NUM":
                measurement = above
            elif is_holder(above):
                graphics = found.setdefault(position, {})
                if scoord.position not in graphics or measurement is not None:
                    graphics[scoord.position] = Graphic(scoord, measurement)
                break
            position = position[:-1]
    return {
        holder: [graphics[position] for position in sorted(graphics)]
        for holder, graphics in found.items()
    }


def read_drawing(graphic: Graphic, root: ContentItem) -> Drawing:
    """Read what a graphic draws and where.

    Raises
    ------
    UnreadableItem
        If its points cannot be read, are of no use or lie nowhere.
    """
    scoord = graphic.scoord
    points = scoord.points
    if points is None:
        raise UnreadableItem(scoord, "the coordinates are missing or cannot be read")
    try:
        points = drawn_shape.plausible(points)
        shape = _shape(scoord.graphic_type, points, graphic.bounds_region)
    except NoShape as problem:
        raise UnreadableItem(scoord, str(problem)) from None
    return Drawing(graphic, shape, read_place(scoord, root))


def _shape(graphic_type: str | None, points: Points, region: bool) -> Shape:
    match graphic_type:
        case "POINT":
            raise NoShape("a point (POINT) says where something is, not how large it is")
        case "POLYLINE":
            return drawn_shape.polyline(points, region=region)
        case "POLYGON":
            return drawn_shape.closed_curve(points)
        case "ELLIPSE":
            return drawn_shape.ellipse(points)
        case "CIRCLE":
            return drawn_shape.circle(points)
        case "MULTIPOINT":
            return drawn_shape.four_points(points)
    raise NoShape(
        f"expected a line, an ellipse, a circle or a closed curve, found {printable(graphic_type)}"
    )


def read_place(scoord: ContentItem, root: ContentItem) -> Place:
    """Where the points of a graphic lie.

    Raises
    ------
    UnreadableItem
        If it names no frame of reference, or not exactly one image and at most one frame.
    """
    if scoord.value_type == "SCOORD3D":
        space = scoord.frame_of_reference_uid
        if space is None:
            raise UnreadableItem(scoord, "the SCOORD3D names no frame of reference")
        return Place(frame_of_reference_uid=space)
    images = [
        target.referenced_image
        for target in (child.follow(root) for child in scoord.children)
        if target is not None and target.value_type == "IMAGE"
    ]
    images = [image for image in images if image is not None]
    if len(images) != 1:
        raise UnreadableItem(
            scoord, f"expected one image that the line was drawn on, found {len(images)}"
        )
    sop_instance_uid, frames = images[0]
    if frames == (0,):  # the AIM toolkit's way to say that there is one frame
        frames = ()
    if len(frames) > 1 or any(frame < 1 for frame in frames):
        raise UnreadableItem(scoord, f"expected at most one frame from 1 on, found {len(frames)}")
    return Place(sop_instance_uid, frames[0] if frames else None)


def is_linear(measurement: ContentItem) -> bool:
    """Whether a NUM measures along a line: by its name, or if that is private by its unit."""
    name = measurement.name
    if name is not None and name.scheme in codes.PUBLIC_SCHEMES:
        return codes.LINEAR_MEASUREMENTS.covers(name)
    if codes.LINEAR_MEASUREMENTS.covers(name):  # older designators of public schemes
        return True
    number = measurement.number
    return number is not None and codes.LENGTH_UNITS.covers(number[1])


def stated_mm(measurement: ContentItem | None) -> float | None:
    """Length that a NUM states in mm or cm, in mm; None without a value or in another unit."""
    number = None if measurement is None else measurement.number
    if number is None or number[0] <= 0:
        return None
    if codes.MILLIMETRE.covers(number[1]):
        return number[0]
    return 10 * number[0] if codes.CENTIMETRE.covers(number[1]) else None


def is_uncalibrated(measurement: ContentItem | None) -> bool:
    """Whether a NUM states a length without a unit: so OHIF writes pixels of unknown spacing."""
    number = None if measurement is None else measurement.number
    return number is not None and codes.NO_UNIT.covers(number[1])


def printable(graphic_type: str | None) -> str:
    """A graphic type of the standard, or words that stand for any other text."""
    known = ("POINT", "MULTIPOINT", "POLYLINE", "POLYGON", "CIRCLE", "ELLIPSE", "ELLIPSOID")
    return graphic_type if graphic_type in known else "another graphic type or none"
