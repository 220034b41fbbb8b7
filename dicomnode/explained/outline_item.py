"""What is said of an outline."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from dicomnode.explained.ct_folder import CtFolder
from dicomnode.explained.described_item import NO_CT, described_item
from dicomnode.explained.item import Drawing, ExplainedItem, ItemKind
from dicomnode.marks import Contour, Outline, Unplaceable
from dicomnode.marks.placement import check_inside
from dicomnode.marks.quality import UnsuitableImage
from dicomnode.marks.rasterise import points_on_plane


def outline_item(outline: Outline, ct: CtFolder | None) -> ExplainedItem:
    """Say of an outline how many curves it has, and with a CT on which slices they lie."""
    contours = outline.contours
    holes = sum(not contour.encloses_lesion for contour in contours)
    points = sum(len(contour.points) for contour in contours)
    notes = [f"{len(contours)} closed curve(s) of {points} points"]
    notes += [f"{holes} of them the edge of a hole"] if holes else []
    notes += [f"reader {outline.reader}"] if outline.reader else []
    refused, doubts, drawing = [], [], None
    if ct is not None:
        try:
            by_slice, lost = _contours_by_slice(outline, ct)
            if lost:
                doubts.append(f"{lost} of {len(contours)} curves: {NO_CT}")
            if by_slice:
                drawing = _drawing(outline, by_slice, ct)
                notes.append(f"on {len(by_slice)} CT slice(s)")
        except (UnsuitableImage, Unplaceable) as problem:
            refused.append(str(problem))
    return described_item(
        outline,
        ItemKind.OUTLINE,
        refused=refused,
        images=((one.referenced_sop_instance_uid, one.referenced_frame) for one in contours),
        doubts=tuple(doubts),
        notes=tuple(notes),
        found_image=None if drawing is None else drawing.slice.name,
        drawing=drawing,
    )


def _drawing(outline: Outline, by_slice: dict[str, list[Contour]], ct: CtFolder) -> Drawing:
    """The curves on the slice on which they are largest."""
    name = max(by_slice, key=lambda one: sum(map(_area, by_slice[one])))
    found = ct.by_name(name)
    found.check()
    plane = found.usable_plane
    lines = tuple(points_on_plane(contour, outline, plane) for contour in by_slice[name])
    for line in lines:
        check_inside(line, plane)
    return Drawing(found, lines, closed=True)


def _contours_by_slice(outline: Outline, ct: CtFolder) -> tuple[dict[str, list[Contour]], int]:
    """Name of a slice to the curves on it; how many are on none."""
    found: dict[str, list[Contour]] = defaultdict(list)
    lost = 0
    for contour in outline.contours:
        one = None
        if contour.referenced_sop_instance_uid is not None:
            uid, number = contour.referenced_sop_instance_uid, contour.referenced_frame
            # A curve in space that names no frame of an enhanced image finds it by its place.
            if number is not None or not contour.in_space:
                one = ct.by_uid(uid, number)
            else:
                one = ct.by_name(uid)
        if one is None and contour.in_space:
            one = ct.nearest(contour.points, outline.frame_of_reference_uid)
        if one is None:
            lost += 1
        else:
            found[one.name].append(contour)
    return found, lost


def _area(contour: Contour) -> float:
    """Area of a planar polygon, in square units of its points."""
    points = contour.points - contour.points[0]
    if points.shape[1] == 2:
        points = np.column_stack([points, np.zeros(len(points))])
    return float(np.linalg.norm(np.cross(points[:-1], points[1:]).sum(axis=0)) / 2)
