"""From a network's planes in the mark's frame to occupancy on the CT's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn

from pipelines.prompted.channels import channels
from pipelines.prompted.frame import SIDE, MarkFrame

REACH = 1.0
"""Planes lie within so many long axes of the key slice."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SoftPlanes:
    """What a network found in a mark's frame.

    Attributes
    ----------
    frame : MarkFrame
    planes : ndarray of int, shape (planes,)
        Index of each plane's slice, ascending by ``frame.stride``.
    probability : ndarray of float32, shape (planes, SIDE, SIDE)
    """

    frame: MarkFrame
    planes: npt.NDArray[np.int64]
    probability: Array


def soft_planes(
    network: nn.Module, frame: MarkFrame, hu: npt.NDArray, flips: bool = True
) -> SoftPlanes:
    """Run a network on the planes around a mark.

    Parameters
    ----------
    network : nn.Module
        Such as `models.recist_net.RecistNet`, in evaluation mode.
    frame : MarkFrame
        In the indices of `hu`.
    hu : ndarray, axes (slice, row, column)
    flips : bool
        Whether to mean over the mark's mirror images in the plane, which takes four times as long.
    """
    planes = frame.planes(REACH)
    planes = planes[(planes >= -frame.stride) & (planes < len(hu) + frame.stride - 1)]
    there = (planes >= 0) & (planes < len(hu))
    images = frame.sampled(hu[np.clip(planes, 0, len(hu) - 1)], float("nan"))
    made = torch.from_numpy(channels(frame, planes, images, there))[None]
    device = next(network.parameters()).device
    mirrored = [(), (-1,), (-2,), (-2, -1)] if flips else [()]
    total = np.zeros((len(planes), SIDE, SIDE), np.float32)
    with torch.inference_mode():
        for axes in mirrored:
            logits = network(made.flip(axes).to(device)).flip(axes)
            total += torch.sigmoid(logits.float())[0].cpu().numpy()
    return SoftPlanes(frame, planes[there], total[there] / len(mirrored))


def on_grid(found: SoftPlanes, shape: tuple[int, int, int]) -> tuple[Array, tuple[int, int, int]]:
    """Occupancy of the CT's voxels, each the mean over its area; slices between planes linearly.

    Parameters
    ----------
    found : SoftPlanes
    shape : tuple of int
        Of the CT (slices, rows, columns).

    Returns
    -------
    occupancy : ndarray of float32
        On the smallest box of the CT that holds the frame.
    offset : tuple of int
        First index of that box.
    """
    frame = found.frame
    corners = frame.places()[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    first = np.clip(np.floor(corners.min(axis=1)).astype(int), 0, np.array(shape[1:]) - 1)
    last = np.clip(np.ceil(corners.max(axis=1)).astype(int), 0, np.array(shape[1:]) - 1)
    rows, columns = (int(n) for n in last - first + 1)
    count = int(np.clip(np.ceil(max(frame.spacing[1:]) / frame.pixel_mm - 0.1), 1, 4))
    fine = (np.arange(count) + 0.5) / count - 0.5
    row = (first[0] + np.arange(rows)[:, None] + fine).reshape(-1, 1)
    column = (first[1] + np.arange(columns)[:, None] + fine).reshape(1, -1)
    places = frame.to_frame(row, column)
    flat = np.stack(
        [ndimage.map_coordinates(p, places, order=1, cval=0.0) for p in found.probability]
    )
    flat = flat.reshape(len(flat), rows, count, columns, count).mean(axis=(2, 4))
    slices = np.arange(found.planes[0], found.planes[-1] + 1)
    below = np.minimum((slices - found.planes[0]) // frame.stride, len(flat) - 1)
    above = np.minimum(below + 1, len(flat) - 1)
    part = ((slices - found.planes[below]) / frame.stride).astype(np.float32)[:, None, None]
    occupancy = flat[below] * (1 - part) + flat[above] * part
    return np.clip(occupancy, 0, 1), (int(slices[0]), int(first[0]), int(first[1]))
