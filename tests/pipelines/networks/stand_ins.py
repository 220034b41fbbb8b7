"""Networks whose answer is known, and scenes to look at."""

from __future__ import annotations

import dataclasses

import highdicom as hd
import numpy as np
import torch

from models.contract import InputContract
from models.registry import SLICE, VOLUME
from pipelines.networks.loaded import LoadedNetwork
from pipelines.networks.options import CPU, Place

AFFINE = np.array([[0, 0, 0.7, -100.0], [0, -0.7, 0, 50], [-2.0, 0, 0, 30], [0, 0, 0, 1]], float)
"""Slices that run downwards, turned axes, 2 x 0.7 x 0.7 mm."""


class Bright(torch.nn.Module):
    """A logit: lesion is what is denser than -300 HU."""

    def forward(self, images):
        return (images - 0.5) * 20


def network(
    contract: InputContract = SLICE,
    module: torch.nn.Module | None = None,
    size: tuple[int, ...] | None = None,
    place: Place = CPU,
) -> LoadedNetwork:
    if size is not None:
        contract = dataclasses.replace(contract, size=size)
    module = Bright() if module is None else module
    return LoadedNetwork("stand-in", module.eval(), "0123", contract, "occupancy", place)


SMALL = {"slice": network(size=(32, 32)), "volume": network(VOLUME, size=(32, 32, 32))}


def balls(
    shape=(20, 90, 90), centres=((20.0, 31.5, 31.5),), radius=6.0, affine=AFFINE
) -> tuple[hd.Volume, list[np.ndarray]]:
    """Balls in lung, centres in mm along the array's axes; -300 HU is where half is ball."""
    spacing = np.abs(affine[:3, :3]).sum(axis=0)
    grid = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    hu = np.full(shape, -640.0)
    masks = []
    for centre in centres:
        distance = np.sqrt(sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)))
        hu = np.maximum(hu, -300 + 340 * np.clip(radius - distance, -1, 1))
        masks.append(distance <= radius)
    volume = hd.Volume(np.rint(hu).astype(np.int16), affine, coordinate_system="PATIENT")
    return volume, masks
