"""Which outlines of several readers are the same lesion: those whose masks overlap.

Two outlines can be one lesion if different readers drew them and a pixel lies in both. Pairs are
joined from the greatest overlap (intersection over union) down, and a pair is left apart where
joining would put two outlines of one reader into one lesion. So where one reader drew one nodule
and another drew two that touch it, the better fitting one of the two joins it and the other stays
a lesion of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from dicomnode.marks.fill import fill_contours
from dicomnode.marks.outline import Contour, Outline

Place = tuple[str, int]
"""SOP Instance UID and frame number from 1."""

MAX_PAIRS = 50_000
"""Pairs of outlines on one image that are compared; real files have a few dozen."""

_STRIDE = 1 << 20


class TooManyOutlines(ValueError):
    """So many outlines lie on one image that comparing them all would take too long."""


def enclosed_pixels(outline: Outline) -> dict[Place, npt.NDArray[np.int64]]:
    """Pixels that an outline in pixels encloses, image by image.

    Parameters
    ----------
    outline : Outline
        Its contours are in pixels and have no negative coordinates.

    Returns
    -------
    dict of Place to ndarray of int64, shape (n,)
        ``row * 2**20 + column`` of each pixel, ascending. Images on which nothing is enclosed are
        not there.

    Raises
    ------
    ValueError
        If a contour is in space.
    """
    drawn: dict[Place, list[Contour]] = defaultdict(list)
    for contour in outline.contours:
        if contour.in_space:
            raise ValueError("found a contour in space, expected pixels")
        drawn[contour.referenced_sop_instance_uid, contour.referenced_frame or 1].append(contour)
    pixels = {}
    for place, contours in drawn.items():
        corners = np.concatenate([contour.points for contour in contours])
        column, row = np.floor(corners.min(axis=0)).astype(np.int64)
        columns, rows = np.ceil(corners.max(axis=0)).astype(np.int64) - (column, row) + 1
        moved = [
            Contour(
                contour.points - (column, row),
                contour.referenced_sop_instance_uid,
                contour.referenced_frame,
                contour.encloses_lesion,
                contour.edge_is_inside,
            )
            for contour in contours
        ]
        found = np.argwhere(fill_contours(moved, (int(rows), int(columns))))
        if len(found):
            pixels[place] = (found[:, 0] + row) * _STRIDE + found[:, 1] + column
    return pixels


def overlap(
    first: dict[Place, npt.NDArray[np.int64]], second: dict[Place, npt.NDArray[np.int64]]
) -> float:
    """Intersection over union of two outlines' pixels, from 0 to 1."""
    shared = sum(
        len(np.intersect1d(first[place], second[place], assume_unique=True))
        for place in first.keys() & second.keys()
    )
    every = sum(map(len, first.values())) + sum(map(len, second.values())) - shared
    return shared / every if every else 0.0


def group_by_overlap(outlines: Sequence[Outline]) -> tuple[tuple[Outline, ...], ...]:
    """Sort outlines of one CT into lesions.

    Parameters
    ----------
    outlines : sequence of Outline
        In pixels; `reader` tells who drew each. Outlines without a reader are all one reader's.

    Returns
    -------
    tuple of tuple of Outline
        One tuple a lesion, with at most one outline of each reader, by the rule at the head of
        this file. Lesions, and outlines in them, are in the order that they were given in.

    Raises
    ------
    TooManyOutlines
        If more than `MAX_PAIRS` pairs of outlines share an image.
    ValueError
        If a contour is in space.
    """
    pixels = [enclosed_pixels(outline) for outline in outlines]
    on_image: dict[Place, list[int]] = defaultdict(list)
    for index, places in enumerate(pixels):
        for place in places:
            on_image[place].append(index)
    meet: set[tuple[int, int]] = set()
    for indices in on_image.values():
        if len(indices) * (len(indices) - 1) // 2 > MAX_PAIRS:
            raise TooManyOutlines(f"found {len(indices)} outlines on one image")
        meet.update(combinations(indices, 2))
        if len(meet) > MAX_PAIRS:
            raise TooManyOutlines(f"found more than {MAX_PAIRS} pairs of outlines to compare")
    pairs = [
        (-overlap(pixels[a], pixels[b]), a, b)
        for a, b in meet
        if outlines[a].reader != outlines[b].reader
    ]
    lesion = {index: [index] for index in range(len(outlines))}
    for negative, a, b in sorted(pairs):
        one, other = lesion[a], lesion[b]
        readers = {outlines[index].reader for index in one}
        if negative == 0 or one is other or readers & {outlines[i].reader for i in other}:
            continue
        one.extend(other)
        for index in other:
            lesion[index] = one
    groups = {min(indices): sorted(indices) for indices in lesion.values()}
    return tuple(tuple(outlines[i] for i in groups[first]) for first in sorted(groups))
