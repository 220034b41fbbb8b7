"""Outlines in RT Structure Sets (PS3.3 C.8.8.6), one for each region of interest."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.marks import drawn_shape
from dicomnode.marks.attributes import (
    read_code,
    read_integers,
    read_numbers,
    read_sequence,
    read_text,
    read_uid,
    sop_instance_uid,
)
from dicomnode.marks.drawn_shape import NoShape, Points
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import Code, RecistMark

MAX_ROIS = 1_000
MAX_CONTOURS = 2_500
"""Regions and contours of one object that are read."""

MAX_POINTS = 200_000
"""Points of one object that are read."""

MAX_CURVES_IN_PLANE = 100
"""Curves of one region in one plane."""


class _Region:
    """What was found in one region of interest so far."""

    def __init__(self) -> None:
        self.curves: list[Contour] = []
        self.lines: list[tuple[Points, str | None, int | None]] = []
        self.refusals: list[Refusal] = []


def read_rtstruct(dataset: Dataset) -> MarkReading:
    """Read the regions of interest of a structure set.

    Parameters
    ----------
    dataset : Dataset
        An RT Structure Set. It may break the standard.

    Returns
    -------
    MarkReading
        One outline for each region with closed curves. A curve inside another of the same plane
        is the edge of a hole: so CLOSEDPLANAR_XOR defines it (PS3.3 C.8.8.6.3), and so most
        writers of CLOSED_PLANAR mean it. Keyholes stay the single curves that they are. An open
        line of two points is one axis, two that cross are two. A contour that cannot be read is
        a refusal; the others are not touched.
    """
    source = sop_instance_uid(dataset)
    if source is None:
        return MarkReading(refusals=(Refusal("1", "the object has no SOP Instance UID"),))
    spaces = _frames_of_reference(dataset)
    findings, types = _observed(dataset)
    outlines: list[Outline] = []
    marks: list[RecistMark] = []
    refusals: list[Refusal] = []
    budget = [MAX_CONTOURS, MAX_POINTS]
    rois = read_sequence(dataset, "ROIContourSequence")
    # The smallest regions first: where the bound cuts, it cuts organs and not lesions.
    numbered = sorted(enumerate(rois[:MAX_ROIS], start=1), key=lambda pair: _size(pair[1]))
    regions = {index: _read_region(roi, f"region {index}", budget) for index, roi in numbered}
    for index, roi in enumerate(rois[:MAX_ROIS], start=1):
        number = (read_integers(roi, "ReferencedROINumber") or (None,))[0]
        item = f"region {index}"
        space = spaces.get(number)
        region = regions[index]
        if space is None:
            refusals.append(Refusal(item, "the region names no frame of reference"))
            continue
        refusals.extend(region.refusals)
        described = {
            "source_sop_instance_uid": source,
            "item": item,
            "frame_of_reference_uid": space,
            "finding": findings.get(number),
        }
        try:
            if region.curves:
                outlines.append(
                    Outline(
                        contours=_with_holes(region.curves),
                        structure_type=types.get(number),
                        **described,
                    )
                )
            if region.lines:
                marks.append(_axes(region.lines, described))
        except NoShape as problem:
            refusals.append(Refusal(item, str(problem)))
            continue
        if not (region.curves or region.lines or region.refusals):
            refusals.append(Refusal(item, "a region without contours"))
    if len(rois) > MAX_ROIS:
        reason = f"{len(rois)} regions, expected at most {MAX_ROIS}; the rest was not read"
        refusals.append(Refusal("1", reason))
    elif not rois:
        refusals.append(Refusal("1", "no contours in this structure set"))
    return MarkReading(marks=tuple(marks), outlines=tuple(outlines), refusals=tuple(refusals))


def _size(roi: Dataset) -> int:
    """About how many bytes the contours of a region take, without reading them."""
    try:
        value = roi.get_item("ContourSequence").value
        return len(value) * (1 if isinstance(value, bytes) else 1_000)
    except Exception:  # none, or torn
        return 0


def _read_region(roi: Dataset, item: str, budget: list[int]) -> _Region:
    region = _Region()
    if min(budget) < 0:
        region.refusals.append(Refusal(item, "not read: the object holds too many contours"))
        return region
    for index, contour in enumerate(read_sequence(roi, "ContourSequence"), start=1):
        budget[0] -= 1
        if min(budget) < 0:
            # Half a lesion would look like a whole one.
            region.curves.clear()
            region.lines.clear()
            region.refusals.append(Refusal(item, "not read: the object holds too many contours"))
            break
        try:
            _read_contour(contour, region, budget)
        except NoShape as problem:
            region.refusals.append(Refusal(f"{item} contour {index}", str(problem)))
    return region


def _read_contour(contour: Dataset, region: _Region, budget: list[int]) -> None:
    values = read_numbers(contour, "ContourData")
    if values is None or values.size % 3:
        raise NoShape("the coordinates are missing or cannot be read")
    points = values.reshape(-1, 3)
    budget[1] -= len(points)
    announced = read_integers(contour, "NumberOfContourPoints")
    if announced not in ((), (len(points),)):
        raise NoShape(f"announces another number of points than the {len(points)} it holds")
    points = drawn_shape.plausible(points)
    image, frame = _image(contour)
    match read_text(contour, "ContourGeometricType"):
        case "CLOSED_PLANAR" | "CLOSEDPLANAR_XOR":
            region.curves.append(Contour(drawn_shape.ring(points), image, frame))
        case "OPEN_PLANAR":
            region.lines.append((drawn_shape.line(points).points, image, frame))
        case "POINT":
            raise NoShape("a point (POINT) says where something is, not how large it is")
        case _:
            raise NoShape("expected CLOSED_PLANAR, CLOSEDPLANAR_XOR or OPEN_PLANAR, found another")


def _image(contour: Dataset) -> tuple[str | None, int | None]:
    """The image that a contour was drawn on, where it names exactly one."""
    images = read_sequence(contour, "ContourImageSequence")
    if len(images) != 1:
        return None, None
    uid = read_uid(images[0], "ReferencedSOPInstanceUID")
    frames = read_integers(images[0], "ReferencedFrameNumber")
    if uid is None or frames is None or len(frames) > 1 or any(frame < 1 for frame in frames):
        return None, None
    return uid, frames[0] if frames else None


def _axes(lines: list[tuple[Points, str | None, int | None]], described: dict) -> RecistMark:
    if len(lines) > 2:
        raise NoShape(f"{len(lines)} open lines in one region, expected one or two axes")
    lines = sorted(lines, key=lambda line: -drawn_shape.length(line[0]))
    points, image, frame = lines[0]
    if len(lines) == 2 and not drawn_shape.are_axes(points, lines[1][0]):
        raise NoShape("the two lines of the region do not cross at about a right angle")
    return RecistMark(
        long_axis=points,
        short_axis=lines[1][0] if len(lines) == 2 else None,
        referenced_sop_instance_uid=image,
        referenced_frame=frame,
        **described,
    )


def _with_holes(curves: list[Contour]) -> tuple[Contour, ...]:
    """The same curves; those inside an odd number of others of their plane enclose holes."""
    planes: dict[tuple[int, float], list[int]] = defaultdict(list)
    for index, plane in enumerate(_planes(curves)):
        planes[plane].append(index)
    result = list(curves)
    for (axis, _), members in planes.items():
        if len(members) > MAX_CURVES_IN_PLANE:
            raise NoShape(
                f"{len(members)} curves in one plane, expected at most {MAX_CURVES_IN_PLANE}"
            )
        if len(members) == 1:
            continue
        flat = [np.delete(curves[index].points, axis, axis=1) for index in members]
        for index, is_hole in zip(members, _are_holes(flat), strict=True):
            if is_hole:
                curve = curves[index]
                result[index] = Contour(
                    curve.points,
                    curve.referenced_sop_instance_uid,
                    curve.referenced_frame,
                    encloses_lesion=False,
                )
    return tuple(result)


def _planes(curves: list[Contour]) -> list[tuple[int, float]]:
    """The axis that each curve's plane is most nearly across, and its place along the normal."""
    points = np.concatenate([curve.points for curve in curves])
    counts = np.array([len(curve.points) for curve in curves])
    starts = np.cumsum(counts) - counts
    # Newell's normal of a polygon, from its first corner.
    x, y, z = (points - np.repeat(points[starts], counts, axis=0)).T
    turns = np.zeros_like(points)
    turns[:-1, 0] = y[:-1] * z[1:] - z[:-1] * y[1:]
    turns[:-1, 1] = z[:-1] * x[1:] - x[:-1] * z[1:]
    turns[:-1, 2] = x[:-1] * y[1:] - y[:-1] * x[1:]
    turns[starts + counts - 1] = 0
    normals = np.add.reduceat(turns, starts)
    axes = np.abs(normals).argmax(axis=1)
    across = np.take_along_axis(normals, axes[:, None], axis=1)
    flat = across[:, 0] != 0
    extents = np.maximum.reduceat(points, starts) - np.minimum.reduceat(points, starts)
    axes[~flat] = extents[~flat].argmin(axis=1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True) * np.sign(across)
    normals[flat] /= lengths[flat]
    places = (np.add.reduceat(points, starts) / counts[:, None] * normals).sum(axis=1)
    places[~flat] = 0.0
    return list(zip(axes.tolist(), np.round(places, 1).tolist(), strict=True))


def _are_holes(polygons: list[Points]) -> list[bool]:
    """Whether each polygon, shape (n, 2), lies inside an odd number of the others."""
    low = np.array([polygon.min(axis=0) for polygon in polygons])
    high = np.array([polygon.max(axis=0) for polygon in polygons])
    holes = []
    for index, polygon in enumerate(polygons):
        may_hold = (low <= low[index]).all(axis=1) & (high >= high[index]).all(axis=1)
        may_hold[index] = False
        corners = polygon[:: max(1, len(polygon) // 3)][:3]
        around = sum(
            sum(drawn_shape.is_inside(corner, polygons[other]) for corner in corners)
            > len(corners) / 2
            for other in np.flatnonzero(may_hold)
        )
        holes.append(around % 2 == 1)
    return holes


def _frames_of_reference(dataset: Dataset) -> dict[int | None, str]:
    """ROI number to its frame of reference; the object's only one where a region names none."""
    everywhere = {
        uid
        for item in read_sequence(dataset, "ReferencedFrameOfReferenceSequence")[:MAX_ROIS]
        if (uid := read_uid(item, "FrameOfReferenceUID")) is not None
    }
    default = everywhere.pop() if len(everywhere) == 1 else read_uid(dataset, "FrameOfReferenceUID")
    found: dict[int | None, str] = {}
    for roi in read_sequence(dataset, "StructureSetROISequence")[:MAX_ROIS]:
        number = (read_integers(roi, "ROINumber") or (None,))[0]
        uid = read_uid(roi, "ReferencedFrameOfReferenceUID") or default
        if number is not None and uid is not None:
            found[number] = uid
    return found


def _observed(dataset: Dataset) -> tuple[dict[int | None, Code], dict[int | None, str]]:
    """ROI number to what the region is: RT ROI Identification Code, and Interpreted Type."""
    found: dict[int | None, Code] = {}
    types: dict[int | None, str] = {}
    for item in read_sequence(dataset, "RTROIObservationsSequence")[:MAX_ROIS]:
        number = (read_integers(item, "ReferencedROINumber") or (None,))[0]
        code = read_code(item, "RTROIIdentificationCodeSequence")
        if number is not None and code is not None:
            found[number] = code
        interpreted = read_text(item, "RTROIInterpretedType")
        if number is not None and interpreted:
            types[number] = interpreted.upper()
    return found, types
