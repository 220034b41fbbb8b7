"""The gap-free stack of slices around a mark, or the reason why there is none."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.marks.placement import ImagePlane
from dicomnode.marks.slice_name import slice_name

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of two direction cosines that still counts as the same orientation."""

_POSITION_TOLERANCE_MM = 0.05
_POSITION_TOLERANCE = 0.02
"""Slice steps agree within this many mm, or within this part of a step."""


class NotYet(Exception):
    """Something is missing; more may come. The text says what.

    Attributes
    ----------
    image : str or None
        SOP Instance UID of what is waited for, where one is known.
    space : str or None
        Frame of reference whose CT is waited for, where only that is known.
    """

    def __init__(self, reason: str, *, image: str | None = None, space: str | None = None) -> None:
        super().__init__(reason)
        self.image = image
        self.space = space


class Unusable(ValueError):
    """No slice that may still come can mend this. The text says what was found."""


@dataclass(frozen=True)
class Slice:
    """Where one CT slice lies.

    Attributes
    ----------
    sop_instance_uid : str
    plane : ImagePlane
    instance_number : int or None
        As the scanner counted; consecutive numbers show that no slice lies between two others.
    frame : int or None
        Frame number from 1, of an enhanced image.
    """

    sop_instance_uid: str
    plane: ImagePlane
    instance_number: int | None = None
    frame: int | None = None

    @property
    def name(self) -> str:
        """As `slice_name`."""
        return slice_name(self.sop_instance_uid, self.frame)


def stack_around(
    key: Slice, series: Sequence[Slice], low_mm: float, high_mm: float, *, settled: bool
) -> tuple[Slice, ...]:
    """Choose the slices that cover a stretch along the normal of the key slice.

    Parameters
    ----------
    key : Slice
        The slice that the mark was drawn on.
    series : sequence of Slice
        All slices of its series that are here, `key` among them.
    low_mm, high_mm : float
        The stretch, measured from the key slice along the normal; ``low_mm <= 0 <= high_mm``.
    settled : bool
        Whether the series counts as complete. Until then only a stretch that is covered on both
        sides by consecutively numbered slices is taken: every second slice of a series that is
        still arriving would look just as regular.

    Returns
    -------
    tuple of Slice
        In order along the normal (PS3.3 C.7.6.2.1.1: the cross product of the row and the column
        direction), evenly spaced, each at its place.

    Raises
    ------
    NotYet
        If a slice of the stretch may still come.
    Unusable
        If orientations or grids differ, two slices share a place or the steps differ; or if frames
        of an enhanced series that is settled have a gap, for an object is not sent in pieces.
    """
    check_same_grid(key, series)
    normal = np.cross(key.plane.orientation[:3], key.plane.orientation[3:])
    origin = np.asarray(key.plane.position)
    offsets = np.array([(np.asarray(s.plane.position) - origin) @ normal for s in series])
    order = np.argsort(offsets, kind="stable")
    slices = [series[i] for i in order]
    offsets = offsets[order]
    first, last = _stretch(offsets, low_mm, high_mm)
    chosen = tuple(slices[first : last + 1])
    positions = np.array([s.plane.position for s in chosen], dtype=np.float64)
    try:
        _check_steps(chosen, positions, normal, settled=settled)
    except NotYet as gap:
        if settled and key.frame is not None:
            raise Unusable(f"the stack of frames has a gap: {gap}") from None
        raise
    if not settled:
        _check_nothing_can_lie_between(chosen)
        if offsets[first] > low_mm or offsets[last] < high_mm:
            raise NotYet(
                f"slices cover {offsets[first]:.1f} to {offsets[last]:.1f} mm around the mark, "
                f"needed are {low_mm:.1f} to {high_mm:.1f} mm; more may come"
            )
    return chosen


def check_same_grid(key: Slice, series: Sequence[Slice]) -> None:
    """Check what no further slice can mend; all slices at once, for series are long."""
    plane = key.plane
    orientations = np.array([s.plane.orientation for s in series])
    turned = (np.abs(orientations - plane.orientation) > ORIENTATION_TOLERANCE).any(axis=1)
    if turned.any():
        raise Unusable(
            f"mixed orientations: {turned.sum()} of {len(series)} slices of the series lie "
            "otherwise than the slice with the mark"
        )
    sizes = {(s.plane.rows, s.plane.columns) for s in series} - {(plane.rows, plane.columns)}
    if sizes:
        raise Unusable(
            f"mixed sizes: the mark's slice is {plane.rows} x {plane.columns}, another one "
            "{} x {}".format(*min(sizes))
        )
    spacings = np.array([s.plane.pixel_spacing for s in series])
    other = (np.abs(spacings / plane.pixel_spacing - 1) > 1e-3).any(axis=1)
    if other.any():
        raise Unusable(
            f"mixed pixel spacing: the mark's slice has {plane.pixel_spacing} mm, another one "
            f"{tuple(spacings[other][0].tolist())} mm"
        )


def _stretch(offsets: npt.NDArray[np.float64], low_mm: float, high_mm: float) -> tuple[int, int]:
    """Indices of the first and last slice: those inside, and one beyond on each side."""
    first = int(np.searchsorted(offsets, low_mm, side="right")) - 1
    last = int(np.searchsorted(offsets, high_mm, side="left"))
    return max(first, 0), min(last, len(offsets) - 1)


def _check_steps(
    chosen: Sequence[Slice],
    positions: npt.NDArray[np.float64],
    normal: npt.NDArray[np.float64],
    *,
    settled: bool,
) -> None:
    """Check that all steps are equal, lean and all.

    Only two steps that differ between consecutively numbered slices prove that the series is
    uneven. Any other difference may be slices that are missing.
    """
    if len(chosen) < 2:
        return
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    smallest = float(along.min())
    if smallest < _POSITION_TOLERANCE_MM:
        raise Unusable("two slices of the series lie at the same position")
    if _equal(steps):
        return
    numbers = [_numbers_step(before, after) for before, after in itertools.pairwise(chosen)]
    consecutive = np.array([number == 1 for number in numbers])
    differ = f"slice gaps differ: found {smallest:.2f} to {along.max():.2f} mm, expected equal ones"
    if settled and consecutive.any() and not _equal(steps[consecutive]):
        raise Unusable(differ)
    counts = np.array(numbers if all(numbers) else np.rint(along / smallest), dtype=np.float64)
    if _equal(steps / counts[:, None]):
        missing = round((counts / counts.min() - 1).sum())
        raise NotYet(f"{missing} slice(s) are missing among those around the mark")
    raise NotYet(f"{differ}; slices may be missing")


def _equal(steps: npt.NDArray[np.float64]) -> bool:
    """Whether steps (n, 3) are the same vector."""
    typical = np.median(steps, axis=0)
    tolerance = max(_POSITION_TOLERANCE_MM, _POSITION_TOLERANCE * float(np.linalg.norm(typical)))
    return bool((np.abs(steps - typical).max(axis=1) <= tolerance).all())


def _check_nothing_can_lie_between(chosen: Sequence[Slice]) -> None:
    for before, after in itertools.pairwise(chosen):
        if _numbers_step(before, after) != 1:
            raise NotYet("the slices around the mark are not numbered consecutively; more may come")


def _numbers_step(before: Slice, after: Slice) -> int | None:
    if before.instance_number is None or after.instance_number is None:
        return None
    return abs(after.instance_number - before.instance_number)
