"""Which frames of a series form one stack of slices.

An enhanced object may hold several: two orientations, two kernels, the phases of a perfusion, a
projection beside its slices. Frames of one stack have one size, spacing, orientation, kernel,
frame type and Stack ID (PS3.3 C.7.6.16.2.2). Beyond that not every difference parts stacks: a
scanner that turns several times for one volume counts acquisitions and times along it. So time,
dimension indices and the rest part stacks only where the groups that they make overlap in space.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dicomnode.frames.frame import Frame

_ORIENTATION_TOLERANCE = 1e-3
_SAME_PLACE_MM = 0.01


def split_into_stacks(frames: Sequence[Frame]) -> tuple[tuple[Frame, ...], ...]:
    """Sort frames of one series, of one or several objects, into stacks.

    Parameters
    ----------
    frames : sequence of Frame
        Those without a plane are in no stack.

    Returns
    -------
    tuple of tuple of Frame
        Each in the order given. A stack may hold several frames at one place, where nothing tells
        which belong together: that is for the caller to refuse.
    """
    groups: dict[tuple, list[Frame]] = {}
    orientations: list[np.ndarray] = []
    for frame in frames:
        if frame.plane is not None:
            groups.setdefault(_kind(frame, orientations), []).append(frame)
    found: list[tuple[Frame, ...]] = []
    for group in groups.values():
        normal = group[0].plane.normal
        offsets = np.array([np.asarray(frame.plane.position) @ normal for frame in group])
        found += [
            tuple(group[i] for i in indices)
            for indices in _parted(group, offsets, np.arange(len(group)), 0)
        ]
    return tuple(found)


def _kind(frame: Frame, orientations: list[np.ndarray]) -> tuple:
    """What all frames of a stack have in common; `orientations` collects those that there are."""
    plane = frame.plane
    orientation = np.array(plane.orientation)
    near = (np.abs(known - orientation).max() <= _ORIENTATION_TOLERANCE for known in orientations)
    index = next((i for i, is_near in enumerate(near) if is_near), len(orientations))
    if index == len(orientations):
        orientations.append(orientation)
    kind, flavour, contrast = (
        frame.frame_type[i] if len(frame.frame_type) > i else None for i in (0, 2, 3)
    )
    return (
        index,
        plane.rows,
        plane.columns,
        tuple(round(spacing, 4) for spacing in plane.pixel_spacing),
        frame.stack_id,
        frame.kernel,
        kind,
        flavour,
        contrast,
        frame.technique,
        frame.volumetric_properties,
    )


def _parted(
    frames: Sequence[Frame], offsets: np.ndarray, indices: np.ndarray, first: int
) -> list[np.ndarray]:
    """Part frames by what tells them apart from the `first` of `Frame.parts` on."""
    for which in range(first, len(frames[0].parts)):
        groups: dict[object, list[int]] = {}
        for i in indices:
            groups.setdefault(frames[i].parts[which], []).append(i)
        if len(groups) > 1 and _overlap([offsets[g] for g in groups.values()]):
            return [
                part
                for group in groups.values()
                for part in _parted(frames, offsets, np.array(group), which + 1)
            ]
    return [indices]


def _overlap(groups: Sequence[np.ndarray]) -> bool:
    """Whether two groups take the same stretch, so that they cannot be parts of one stack.

    Where each frame has a value of its own, such as a time, the value tells nothing: unless all
    frames are at one place.
    """
    places = np.concatenate(groups)
    if all(len(group) == 1 for group in groups) and np.ptp(places) > _SAME_PLACE_MM:
        return False
    ends = sorted((float(group.min()), float(group.max())) for group in groups)
    reached = ends[0][1]
    for low, high in ends[1:]:
        if low < reached + _SAME_PLACE_MM:
            return True
        reached = max(reached, high)
    return False
