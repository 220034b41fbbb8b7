"""Crops of several shapes as padded tensors on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from pipelines.errors import UnknownParameterError

if TYPE_CHECKING:
    from pipelines.matting.batched import Crop

Tensor = torch.Tensor


def find_device(name: str | None) -> torch.device:
    """The device of that name; "cuda" where there is one, else "cpu", where no name is given.

    Raises
    ------
    UnknownParameterError
        If there is no such device, or none that computes in float64.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device, dtype=torch.float64)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise UnknownParameterError(
            f"device: found {name!r}, expected one that is here and computes in float64"
        ) from error
    return device


def padded(
    arrays: Sequence[npt.NDArray], shapes: Sequence[tuple[int, ...]], device: torch.device
) -> Tensor:
    """One tensor of float64 from arrays of several shapes, filled up with zeros."""
    whole = np.zeros((len(arrays), *np.max(shapes, axis=0)), np.float32)
    for row, array, shape in zip(whole, arrays, shapes, strict=True):
        row[tuple(slice(n) for n in shape)] = array.reshape(shape)
    return _to(whole, device).to(torch.float64)


def _to(array: npt.NDArray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def upload(
    crops: Sequence[Crop], shapes: Sequence[tuple[int, ...]], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """Guide less its mean, trimap and known alpha of all crops; 0 beyond a crop's end."""
    extent = (len(crops), *np.max(shapes, axis=0))
    problems = [crop.problem for crop in crops]
    whole_numbers = all(p.image.dtype == np.int16 for p in problems)
    images = np.zeros(extent, np.int16 if whole_numbers else np.float32)
    trimaps = np.full(extent, 3, np.uint8)
    for k, (problem, shape) in enumerate(zip(problems, shapes, strict=True)):
        box = (k, *(slice(n) for n in shape))
        images[box] = problem.image.reshape(shape)
        trimaps[box] = problem.trimap.reshape(shape)
    trimap = _to(trimaps, device)
    if all(crop.plain for crop in crops):
        known = (trimap == 2).to(torch.float64)
    else:
        known = padded([p.known for p in problems], shapes, device)
    ends = torch.tensor([p.window for p in problems], dtype=torch.float64, device=device)
    low, high = (e.reshape(-1, 1, 1, 1) for e in ends.unbind(1))
    guide = ((_to(images, device) - low) / (high - low)).clamp_(0, 1)
    inside = trimap < 3
    # Less its mean, so that the sums of I p do not cancel in float32.
    guide -= (guide * inside).sum((1, 2, 3), keepdim=True) / inside.sum((1, 2, 3), keepdim=True)
    return guide * inside, trimap, known
