"""One phantom nodule in a small piece of lung, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np

from pipelines.longest_axes import axes_from_mask
from pipelines.phantom.nodule import NODULE_HU, VESSEL_HU, NoduleKind, make_nodule
from pipelines.phantom.scanner import occupancy, scan
from pipelines.recist import RecistAxes

LUNG_HU, WALL_HU, CORE_HU = -860.0, 40.0, 20.0


@dataclass(frozen=True, eq=False)
class Patch:
    """A scanned piece of lung with one nodule.

    Attributes
    ----------
    volume : highdicom.Volume, int16
        HU, axes (slice, row, column).
    occupancy : highdicom.Volume, float32
        Of each voxel the part that is lesion, exactly, on the same grid.
    axes : RecistAxes
        As a reader would draw them on the true lesion.
    volume_ml : float
        True volume.
    """

    volume: hd.Volume
    occupancy: hd.Volume
    axes: RecistAxes
    volume_ml: float


def nodule_patch(
    kind: NoduleKind,
    diameter_mm: float,
    spacing: tuple[float, float, float] = (1.25, 0.7, 0.7),
    seed: int = 0,
    noise_hu: float = 20.0,
) -> Patch:
    """Scan one nodule. A juxta-pleural one sits on a flat wall at the far end of the columns.

    Raises
    ------
    EmptyMaskError
        If slices are so thick that no voxel is at least half lesion: there is nothing to mark.
    """
    rng = np.random.default_rng(seed)
    shape = make_nodule(kind, diameter_mm, rng, outward=(0, 0, 1))
    extent = shape.lesion.shape[0] * shape.step_mm / 2 + 0.9 * diameter_mm + 6
    size = tuple(int(2 * extent / s) for s in spacing)
    half = shape.lesion.shape[0] // 2
    centre = [n / 2 * s + rng.uniform(-0.5, 0.5) * s for n, s in zip(size, spacing, strict=True)]
    first = tuple(c - half * shape.step_mm for c in centre)

    def part(inside):
        return occupancy(inside, shape.step_mm, first, size, spacing)

    scene = np.full(size, LUNG_HU, np.float32)
    if kind is NoduleKind.JUXTA_PLEURAL:
        wall = centre[2] + 0.35 * diameter_mm / 2
        x = np.arange(size[2]) * spacing[2]
        share = np.clip((x - wall) / spacing[2] + 0.5, 0, 1).astype(np.float32)
        scene += share * np.float32(WALL_HU - LUNG_HU)
    lesion, core, vessel = part(shape.lesion), part(shape.core), part(shape.vessel)
    scene = scene * (1 - vessel) + vessel * np.float32(VESSEL_HU)
    scene = scene * (1 - lesion) + (lesion - core) * np.float32(NODULE_HU[kind])
    scene += core * np.float32(CORE_HU)
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1
    truth = hd.Volume(lesion, affine, coordinate_system="PATIENT")
    return Patch(
        volume=truth.with_array(scan(scene, spacing, rng, noise_hu)),
        occupancy=truth,
        axes=axes_from_mask(lesion >= 0.5, truth),
        volume_ml=shape.volume_ml,
    )
