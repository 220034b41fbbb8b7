"""Whether the coordinates that were read stand in the file, found by another way than the readers.

All numbers of all coordinate attributes are gathered, wherever in the object they belong. A point
counts as found if its numbers stand side by side there, or if it follows from two that do by what
the standard says of circles, boxes, rotations and displayed areas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from dicomnode.marks import MarkReading

_GRAPHIC_DATA, _CONTOUR_DATA, _POSITION = 0x00700022, 0x30060050, 0x00200032
_IMAGE_UID = 0x00081155
_HOLDERS = frozenset(
    map(
        tag_for_keyword,
        (
            *("ContentSequence", "ReferencedSOPSequence", "GraphicAnnotationSequence"),
            *("GraphicObjectSequence", "CompoundGraphicSequence", "ReferencedImageSequence"),
            *("ReferencedSeriesSequence", "ROIContourSequence", "ContourSequence"),
            *("ContourImageSequence", "SharedFunctionalGroupsSequence"),
            *("PerFrameFunctionalGroupsSequence", "PlanePositionSequence"),
            *("DerivationImageSequence", "SourceImageSequence"),
        ),
    )
)
"""Sequences that may lead to coordinates or images; codes, say, hold neither."""
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CLOSE = 1e-6
_MAX_DEPTH = 400
_MAX_DERIVED = 2_000

Points = npt.NDArray[np.float64]


class MadeUp(AssertionError):
    """A reader gave a coordinate or an image that the file does not hold."""


@dataclass
class _Held:
    """What a data set holds."""

    arrays: list[Points] = field(default_factory=list)
    graphics: list[tuple[Dataset, Points]] = field(default_factory=list)
    positions: set[tuple[float, ...]] = field(default_factory=set)
    images: set[str] = field(default_factory=set)
    looked_into: set[int] = field(default_factory=set)


def check_dataset(dataset: Dataset, reading: MarkReading) -> None:
    """Look for every point, position and image of a reading in the object.

    Raises
    ------
    MadeUp
        If one is not there.
    """
    if not (reading.marks or reading.outlines or reading.segments):
        return
    held = _Held()
    _gather(dataset, held, 0)
    found = list(_all_points(reading))
    for width in (2, 3):
        together = [points for points in found if points.shape[1] == width]
        if together:
            _check_points(np.concatenate(together), held, dataset)
    for uid in _all_images(reading):
        if uid not in held.images:
            raise MadeUp("an image that the object does not name")
    for segment in reading.segments:
        for frame in segment.frames:
            if frame.position is not None and frame.position not in held.positions:
                raise MadeUp(f"position {frame.position} of frame {frame.number}")


def check_text(content: bytes, reading: MarkReading, shift: float) -> None:
    """Look for every coordinate of a reading in a file of text.

    Parameters
    ----------
    content : bytes
    reading : MarkReading
    shift : float
        What the reader adds to each number: 0.5 for the pixel indices of LIDC XML.

    Raises
    ------
    MadeUp
        If one is not there.
    """
    points = [all_points - shift for all_points in _all_points(reading)]
    if not points:
        return
    numbers = {float(text) for text in _NUMBER.findall(content)}
    if all(set(p.ravel().tolist()) <= numbers for p in points):
        return
    numbers |= set(_numbers_of_tree(content))
    for one in points:
        missing = set(one.ravel().tolist()) - numbers
        if missing and not _is_circle_of(one, numbers):
            raise MadeUp(f"coordinate {sorted(missing)[0]}")


def _all_points(reading: MarkReading) -> Iterator[Points]:
    for mark in reading.marks:
        short = () if mark.short_axis is None else (mark.short_axis,)
        yield np.concatenate([mark.long_axis, *short])
    for outline in reading.outlines:
        for contour in outline.contours:
            yield contour.points


def _all_images(reading: MarkReading) -> set[str]:
    named = {mark.referenced_sop_instance_uid for mark in reading.marks}
    for outline in reading.outlines:
        named |= {contour.referenced_sop_instance_uid for contour in outline.contours}
    for segment in reading.segments:
        named |= {frame.referenced_sop_instance_uid for frame in segment.frames}
    return {uid for uid in named if uid is not None}


def _gather(dataset: Dataset, held: _Held, depth: int) -> None:
    if depth > _MAX_DEPTH or id(dataset) in held.looked_into:
        return  # a grafted item may hold itself
    held.looked_into.add(id(dataset))
    for tag in list(dataset.keys()):
        try:
            if int(tag) in (_GRAPHIC_DATA, _CONTOUR_DATA, _POSITION):
                _gather_numbers(dataset, int(tag), held)
            elif int(tag) == _IMAGE_UID:
                held.images.add(str(dataset[tag].value).strip("\0 "))
            elif int(tag) in _HOLDERS:
                for item in _items(dataset, tag):
                    _gather(item, held, depth + 1)
        except Exception:  # what pydicom cannot decode, no reader can have read
            continue


def _items(dataset: Dataset, tag: int) -> list[Dataset]:
    try:
        return list(dataset[tag].value)
    except Exception:
        # pydicom hands Pixel Representation down to the items it has decoded, and raises where
        # that is broken; the items are there by then.
        return list(dataset[tag].value)


def _gather_numbers(dataset: Dataset, tag: int, held: _Held) -> None:
    raw = dataset.get_item(tag).value
    if tag == _CONTOUR_DATA and isinstance(raw, bytes):  # pydicom takes seconds for large ones
        values = np.array([float(text) for text in raw.strip(b"\0 ").split(b"\\")])
    else:
        values = np.atleast_1d(np.asarray(dataset[tag].value, dtype=np.float64))
    if tag == _POSITION:
        held.positions.add(tuple(values.tolist()))
        return
    held.arrays.append(values)
    if tag == _GRAPHIC_DATA and values.size % 2 == 0:
        held.graphics.append((dataset, values.reshape(-1, 2)))


def _keys(points: Points) -> npt.NDArray[np.complex128]:
    """One number a point, the same for the same point: no sum is rounded differently."""
    if points.shape[1] == 2:
        return points[:, 0] + 1j * points[:, 1]
    return points[:, 0] + 1000003.7 * points[:, 2] + 1j * points[:, 1]


def _check_points(points: Points, held: _Held, dataset: Dataset) -> None:
    width = points.shape[1]
    pool = [array.reshape(-1, width) for array in held.arrays if array.size % width == 0]
    keys = np.concatenate([_keys(one) for one in pool]) if pool else np.empty(0, np.complex128)
    missing = points[~np.isin(_keys(points), keys)]
    if not len(missing):
        return
    if width == 2 and len(missing) <= _MAX_DERIVED:
        derived = np.concatenate([np.empty((0, 2)), *_derived(held, dataset)])
        scale = 1 + np.abs(missing).max()
        apart = np.abs(missing[:, None] - derived[None]).max(axis=2)
        if apart.size and (apart.min(axis=1) <= _CLOSE * scale).all():
            return
    raise MadeUp(f"{len(missing)} of {len(points)} points, such as {missing[0].tolist()}")


def _derived(held: _Held, dataset: Dataset) -> Iterator[Points]:
    """Points that follow from graphics by PS3.3 C.10.5.1.2 and C.10.5.1.3, each rule for itself."""
    areas = list(_areas(dataset))
    for item, points in held.graphics:
        if len(points) > _MAX_DERIVED or not np.isfinite(points).all():
            continue
        forms = [points]
        if len(points) == 2:
            forms.append(_box_middles(points))
        turned = _turned(item, forms)
        for form in [*forms, *turned]:
            for placed in [form, *(_displayed(form, area) for area in areas)]:
                yield placed
                if len(placed) == 2:
                    yield _diameters(placed)


def _diameters(points: Points) -> Points:
    """End points of two perpendicular diameters of a circle of centre and rim."""
    centre, rim = points
    x, y = rim - centre
    return centre + np.array([[x, y], [-x, -y], [-y, x], [y, -x]])


def _box_middles(points: Points) -> Points:
    (left, top), (right, bottom) = points
    across, down = (left + right) / 2, (top + bottom) / 2
    return np.array([[across, top], [across, bottom], [left, down], [right, down]])


def _turned(item: Dataset, forms: list[Points]) -> list[Points]:
    try:
        angle = -np.radians(float(item.RotationAngle))
        x, y = (float(value) for value in item.RotationPoint)
    except Exception:  # none, or broken
        return []
    if not np.isfinite([angle, x, y]).all():
        return []
    centre = complex(x, y)
    result = []
    for form in forms:
        moved = (form[:, 0] + 1j * form[:, 1] - centre) * np.exp(1j * angle) + centre
        result.append(np.column_stack([moved.real, moved.imag]))
    return result


def _areas(dataset: Dataset) -> Iterator[tuple[Points, Points, bool]]:
    """Outer edges (start, end) of each displayed area, and whether a quarter turn swaps axes."""
    try:
        items = list(dataset.DisplayedAreaSelectionSequence)
    except Exception:  # none, or broken
        return
    for item in items[:50]:
        try:
            first = np.array([int(v) for v in item.DisplayedAreaTopLeftHandCorner], dtype=float)
            last = np.array([int(v) for v in item.DisplayedAreaBottomRightHandCorner], dtype=float)
            start = np.where(last >= first, first - 1, first)
            end = np.where(last >= first, last, last - 1)
        except Exception:
            continue
        if start.shape == end.shape == (2,):
            for swapped in (False, True):
                yield start, end, swapped


def _displayed(form: Points, area: tuple[Points, Points, bool]) -> Points:
    start, end, swapped = area
    fractions = form[:, ::-1] if swapped else form
    return start * (1 - fractions) + end * fractions


def _numbers_of_tree(content: bytes) -> Iterator[float]:
    """Numbers of an XML file in which characters are written as references."""
    try:
        root = ElementTree.fromstring(content)
    except Exception:
        return
    for element in root.iter():
        for text in (*element.attrib.values(), element.text or ""):
            try:
                yield float(text)
            except ValueError:
                continue


def _is_circle_of(points: Points, numbers: set[float]) -> bool:
    """Whether axes are the diameters of a circle whose centre and rim stand in the file."""
    if points.shape != (4, 2):
        return False
    known = np.array(sorted(number for number in numbers if np.isfinite(number)))
    centre, rim = points[:2].mean(axis=0), points[1]
    near = [np.abs(known - value).min() <= _CLOSE * (1 + abs(value)) for value in (*centre, *rim)]
    return all(near) and np.allclose(
        sorted(_diameters(np.array([centre, rim])).tolist()), sorted(points.tolist())
    )
