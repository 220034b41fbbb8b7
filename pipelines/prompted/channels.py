"""What the network sees: slices in two windows, and the mark drawn beside them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.prompted.frame import LONG_PIXELS, SIDE, USUAL_RATIO, MarkFrame

COUNT = 13
"""Number of channels."""

FARTHEST = 3.0
"""Distances from the key slice beyond so many half long axes look the same."""

_LINE_PIXELS = 1.0
_USUAL_MM = 10.0
_NARROWEST = 0.1

Array = npt.NDArray[np.float32]


def channels(frame: MarkFrame, planes: npt.NDArray[np.int64], hu: Array, there: Array) -> Array:
    """The network's input.

    Parameters
    ----------
    frame : MarkFrame
    planes : ndarray of int, shape (planes,)
        Index of each plane's slice.
    hu : ndarray of float32, shape (planes, SIDE, SIDE)
        From `MarkFrame.sampled`.
    there : ndarray of bool, shape (planes,)
        Where the CT has such a slice; what `hu` says elsewhere is not looked at.

    Returns
    -------
    ndarray of float32, shape (planes, COUNT, SIDE, SIDE)
        Lung window, its neighbours below and above, soft tissue window; the long axis, the short
        axis, how deep within the mark's ellipse; and, the same all over a plane: whether it is
        there, whether it is the key slice, its distance from it in half long axes, the logarithm
        of the long axis, short by long axis (0 where not drawn), distance of planes by long axis.
    """
    found = np.zeros((len(planes), COUNT, SIDE, SIDE), np.float32)
    there = np.asarray(there, bool)
    lung = np.where(there[:, None, None], (np.clip(hu, -1000, 400) + 300) / 700, 0)
    found[:, 0] = lung
    found[1:, 1] = lung[:-1]
    found[:-1, 2] = lung[1:]
    found[:, 3] = np.where(there[:, None, None], (np.clip(hu, -160, 240) - 40) / 200, 0)
    ends = frame.ends / frame.pixel_mm
    found[:, 4] = _line(ends[:2])
    if len(ends) == 4:
        found[:, 5] = _line(ends[2:])
    found[:, 6] = _depth(ends)
    distance = np.abs(planes - frame.key) * frame.spacing[0] / (frame.long_mm / 2)
    constants = (
        there,
        planes == frame.key,
        np.minimum(distance, FARTHEST),
        np.log(frame.long_mm / _USUAL_MM),
        (frame.short_mm or 0.0) / frame.long_mm,
        min(frame.step_mm / frame.long_mm, 1.0),
    )
    for number, value in enumerate(constants, start=7):
        found[:, number] = np.reshape(np.asarray(value, np.float32), (-1, 1, 1))
    return found


def _grid() -> tuple[Array, Array]:
    """Offsets of the frame's pixels from its middle: along, across."""
    line = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    return line[None, :], line[:, None]


def _line(ends: npt.NDArray[np.float64]) -> Array:
    """A line drawn with a Gaussian pen; ends (along, across) in pixels from the middle."""
    u, v = _grid()
    axis = ends[1] - ends[0]
    share = ((u - ends[0, 0]) * axis[0] + (v - ends[0, 1]) * axis[1]) / max(axis @ axis, 1e-6)
    share = np.clip(share, 0, 1)
    gap = (u - ends[0, 0] - share * axis[0]) ** 2 + (v - ends[0, 1] - share * axis[1]) ** 2
    return np.exp(-gap / (2 * _LINE_PIXELS**2)).astype(np.float32)


def _depth(ends: npt.NDArray[np.float64]) -> Array:
    """One at the crossing of the axes, 0 on the four quarter ellipses through their ends."""
    u, v = _grid()
    middle = (ends[0] + ends[1]) / 2
    sides = np.array([-1.0, 1.0]) * LONG_PIXELS / 2 * USUAL_RATIO
    if len(ends) == 4:
        middle = np.array([ends[2:, 0].mean(), middle[1]])
        sides = np.sort(ends[2:, 1] - middle[1])
    reach = np.sort(ends[:2, 0] - middle[0])
    least = _NARROWEST * LONG_PIXELS
    radius = 0
    for offset, (low, high) in ((u - middle[0], reach), (v - middle[1], sides)):
        half = np.where(offset < 0, max(-low, least), max(high, least))
        radius = radius + (offset / half) ** 2
    return np.clip(1 - np.sqrt(radius), -1.5, 1).astype(np.float32)
