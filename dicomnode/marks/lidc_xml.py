"""Outlines in LIDC XML: up to four readers of one CT, each slice an outline of pixels.

A reader's `edgeMap` lists the pixels (x, y from 0) just outside of the nodule, so the nodule is
what they enclose, without them. That is proven against the masks that others made of the same
files, and so is that a hole (`inclusion` FALSE) loses its outline too.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from dicomnode.marks.drawn_shape import Points, is_inside
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import Code
from dicomnode.marks.safe_xml import UnsafeXml, parse, uid, uid_of_bytes
from dicomnode.marks.same_lesion import enclosed_pixels
from pipelines.plain_number import number

MAX_ITEMS = 600
"""Nodules and non-nodules that are looked at in one file; real ones hold up to 363."""

MAX_REGIONS = 2_000
"""Edge maps of one nodule; real ones have up to about 100."""

MAX_POINTS = 10_000
"""Pixels of one edge map; real ones have up to 400."""

MAX_COORDINATE = 2048
"""Greatest column or row of a pixel: more than a CT slice has."""

MAX_AREA = 10_000_000
"""Pixels of the boxes around the edge maps of each image, over one file; real ones have less than
a million."""

NODULE = Code("27925004", "SCT", "Nodule")
LUNG = Code("39607008", "SCT", "Lung")


class _Unreadable(Exception):
    """What one region lacks to be a contour."""


class _Budget:
    """What may still be looked at in a file."""

    def __init__(self) -> None:
        self.items = MAX_ITEMS
        self.area = MAX_AREA


def read_lidc_xml(content: bytes, root: Element | None = None) -> MarkReading:
    """Read all readers' outlines of nodules of 3 mm and more.

    Parameters
    ----------
    content : bytes
        An LIDC XML file (`LidcReadMessage`). It may be broken.
    root : Element, optional
        Its tree, where `safe_xml.parse` has made it already.

    Returns
    -------
    MarkReading
        One outline for each nodule of each reading session, its `reader` the session's number
        from 1. A nodule under 3 mm is one point and a non-nodule no lesion: both are refusals, and
        so is every region that cannot be read.
    """
    try:
        root = parse(content) if root is None else root
    except UnsafeXml as problem:
        return MarkReading(refusals=(Refusal("1", str(problem)),))
    if root.tag != "LidcReadMessage":
        return MarkReading(refusals=(Refusal("1", "the file is no LidcReadMessage"),))
    source = uid(root.get("uid")) or uid_of_bytes(content)
    outlines: list[Outline] = []
    refusals: list[Refusal] = []
    budget = _Budget()
    for session_number, session in enumerate(root.findall("readingSession"), start=1):
        place = f"readingSession {session_number}"
        for index, nodule in enumerate(session.findall("unblindedReadNodule"), start=1):
            budget.items -= 1
            if budget.items < 0:
                break
            item = f"{place}, unblindedReadNodule {index}"
            outline = _read_nodule(nodule, str(session_number), item, source, budget, refusals)
            if outline is not None:
                outlines.append(outline)
        for index, _ in enumerate(session.findall("nonNodule"), start=1):
            budget.items -= 1
            if budget.items < 0:
                break
            reason = "the reader marked a point that is no nodule"
            refusals.append(Refusal(f"{place}, nonNodule {index}", reason))
        if budget.items < 0:
            refusals.append(Refusal(place, f"more than {MAX_ITEMS} items, the rest is not read"))
            break
    if not outlines and not refusals:
        refusals.append(Refusal("1", "no reading session marked a nodule"))
    return MarkReading(outlines=tuple(outlines), refusals=tuple(refusals))


def _read_nodule(
    nodule: Element,
    reader: str,
    item: str,
    source: str,
    budget: _Budget,
    refusals: list[Refusal],
) -> Outline | None:
    regions = nodule.findall("roi")
    if len(regions) > MAX_REGIONS:
        reason = f"found {len(regions)} regions, expected at most {MAX_REGIONS}"
        refusals.append(Refusal(item, reason))
        return None
    if len(regions) == 1 and len(regions[0].findall("edgeMap")) == 1:
        refusals.append(Refusal(item, "a nodule under 3 mm is marked by a point, not outlined"))
        return None
    contours = []
    for index, region in enumerate(regions, start=1):
        try:
            contours.append(_read_region(region))
        except _Unreadable as problem:
            refusals.append(Refusal(f"{item}, roi {index}", str(problem)))
    budget.area -= _area(contours)
    if budget.area < 0:
        reason = f"the edge maps of the file cover more than {MAX_AREA} pixels"
        refusals.append(Refusal(item, reason))
        return None
    if not any(contour.encloses_lesion for contour in contours):
        refusals.append(Refusal(item, "no region of this nodule encloses it"))
        return None
    outline = Outline(
        contours=tuple(contours),
        source_sop_instance_uid=source,
        item=item,
        reader=reader,
        tracking_id=_identifier(nodule),
        finding=NODULE,
        site=LUNG,
    )
    if not (_clearly_encloses_one(contours) or enclosed_pixels(outline)):
        refusals.append(Refusal(item, "the outline encloses no pixel, its own pixels are outside"))
        return None
    return outline


def _read_region(region: Element) -> Contour:
    image = uid(region.findtext("imageSOP_UID"))
    if image is None:
        raise _Unreadable("the region names no image by a valid UID")
    inclusion = (region.findtext("inclusion") or "").strip().upper()
    if inclusion not in ("TRUE", "FALSE"):
        raise _Unreadable("inclusion is neither TRUE nor FALSE")
    edges = region.findall("edgeMap")
    if len(edges) > MAX_POINTS:
        raise _Unreadable(f"found {len(edges)} points, expected at most {MAX_POINTS}")
    points = np.array([_pixel(edge) for edge in edges], dtype=np.float64).reshape(-1, 2)
    if len(points) > 1 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    if len(points) < 3:
        raise _Unreadable(f"found {len(points)} points, expected 3 or more around the nodule")
    if points.min() < 0 or points.max() > MAX_COORDINATE:
        raise _Unreadable("the points lie outside of any CT slice")
    return Contour(
        points=points + 0.5,
        referenced_sop_instance_uid=image,
        encloses_lesion=inclusion == "TRUE",
        edge_is_inside=False,
    )


def _pixel(edge: Element) -> tuple[int, int]:
    """Column and row of one point."""
    column, row = edge.findtext("xCoord"), edge.findtext("yCoord")
    pixel = _whole_number(column), _whole_number(row)
    if None in pixel:
        raise _Unreadable("a point of the edge map is no pair of whole numbers")
    return pixel


def _whole_number(text: str | None) -> int | None:
    if text is not None and len(text) < 10 and text.isascii() and text.isdigit():
        return int(text)
    value = number(text)
    return int(value) if value is not None and value.is_integer() else None


def _clearly_encloses_one(contours: list[Contour]) -> bool:
    """Whether a pixel is enclosed for certain, without filling, which takes much longer."""
    return all(contour.encloses_lesion for contour in contours) and any(
        _holds_its_middle(contour.points) for contour in contours
    )


def _holds_its_middle(corners: Points) -> bool:
    """Whether the middle pixel of a curve lies in it, on the line of no edge."""
    middle = np.floor(corners.mean(axis=0)) + 0.5
    along = np.concatenate([corners[1:], corners[:1]]) - corners
    to_middle = middle - corners
    on_line = along[:, 0] * to_middle[:, 1] == along[:, 1] * to_middle[:, 0]
    return not on_line.any() and is_inside(middle, corners)


def _area(contours: list[Contour]) -> int:
    """Pixels that have to be looked at to fill the contours."""
    by_image: dict[str | None, list[Contour]] = {}
    for contour in contours:
        by_image.setdefault(contour.referenced_sop_instance_uid, []).append(contour)
    groups = [[contour] for contour in contours] + list(by_image.values())
    corners = (np.concatenate([contour.points for contour in group]) for group in groups)
    return sum(int(np.prod(np.ptp(points, axis=0) + 2)) for points in corners)


def _identifier(nodule: Element) -> str | None:
    text = (nodule.findtext("noduleID") or "").strip()
    return text if 0 < len(text) <= 64 and text.isprintable() and "\\" not in text else None
