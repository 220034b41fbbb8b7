"""From an outline to the pixels that it takes of each CT slice, also of those between contours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dicomnode.marks.outline import Outline
from dicomnode.marks.rasterise import ImageSlice, OtherImage, rasterise
from dicomnode.marks.segment_mask import MAX_GAP_MM, Pixels


def outline_on_slices(
    outline: Outline, images: Sequence[ImageSlice], step_mm: float | None
) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels of a series that an outline encloses.

    A reader who outlines every second slice, or outlined thicker slices of the same acquisition,
    does not say that the lesion is absent between them: there the outline is interpolated by its
    signed distance (Raya and Udupa, IEEE TMI 9:32, 1990).

    Parameters
    ----------
    outline : Outline
    images : sequence of ImageSlice
        The series in order along its normal, all of one size.
    step_mm : float or None
        Distance between its slices; None for a single one.

    Returns
    -------
    pixels : dict from int to ndarray of bool, shape (rows, columns)
        Only slices with some.
    warnings : tuple of str

    Raises
    ------
    dicomnode.marks.Unplaceable
        As `rasterise`.
    """
    first, last = _touched(outline, images)
    mask = rasterise(outline, images[first : last + 1])
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    pixels = {first + int(k): mask[k] for k in filled}
    between = 0
    for below, above in pairwise(filled.tolist()):
        if above - below > 1 and (above - below) * (step_mm or 0.0) <= MAX_GAP_MM:
            made = _between(mask[below], mask[above], above - below)
            pixels |= {first + below + 1 + k: m for k, m in enumerate(made) if m.any()}
            between += len(made)
    if not between:
        return pixels, ()
    return pixels, (f"{between} slice(s) between the contours were filled in",)


def _touched(outline: Outline, images: Sequence[ImageSlice]) -> tuple[int, int]:
    """First and last index of the images that contours lie on."""
    by_place = {(i.sop_instance_uid, i.frame or 1): index for index, i in enumerate(images)}
    normal = images[0].plane.normal
    offsets = np.array([np.asarray(image.plane.position) @ normal for image in images])
    found = []
    for contour in outline.contours:
        if contour.in_space:
            # Those around the nearest: the ends of a contour may lie nearest to different ones.
            ends = np.array([(contour.points @ normal).min(), (contour.points @ normal).max()])
            near = np.abs(offsets[:, None] - ends).argmin(axis=0)
            found += near.tolist()
            continue
        uid, frame = contour.referenced_sop_instance_uid, contour.referenced_frame or 1
        if (uid, frame) not in by_place:
            raise OtherImage(
                f"a contour was drawn on image {uid}, frame {frame}, which is no slice of the "
                "series"
            )
        found.append(by_place[uid, frame])
    return min(found), max(found)


def _between(
    below: npt.NDArray[np.bool_], above: npt.NDArray[np.bool_], steps: int
) -> list[npt.NDArray[np.bool_]]:
    """The slices between two masks, by interpolating the signed distances to their edges."""
    # Here, for a node that starts need not wait for SciPy.
    from scipy.ndimage import distance_transform_edt

    union = below | above
    rows, columns = union.any(axis=1).nonzero()[0], union.any(axis=0).nonzero()[0]
    box = np.s_[
        max(rows[0] - 1, 0) : rows[-1] + 2,
        max(columns[0] - 1, 0) : columns[-1] + 2,
    ]
    start, end = (
        distance_transform_edt(m) - distance_transform_edt(~m) for m in (below[box], above[box])
    )
    made = []
    for k in range(1, steps):
        mask = np.zeros_like(below)
        mask[box] = start + (end - start) * (k / steps) > 0
        made.append(mask)
    return made
