"""Phantom nodules with exactly known occupancy, of the kinds that readers meet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]


class NoduleKind(Enum):
    """Kinds of nodule."""

    SOLID = "solid"
    """Smooth and dense, surrounded by lung."""
    GROUND_GLASS = "ground-glass"
    """Hazy: lung shows through."""
    PART_SOLID = "part-solid"
    """A dense core in a hazy shell; both are lesion."""
    SPICULATED = "spiculated"
    """Dense, with thin spikes."""
    JUXTA_PLEURAL = "juxta-pleural"
    """Dense, broadly attached to the chest wall."""
    VESSEL_ATTACHED = "vessel-attached"
    """Dense, with a vessel running into it."""


NODULE_HU = {
    NoduleKind.SOLID: 30.0,
    NoduleKind.GROUND_GLASS: -600.0,
    NoduleKind.PART_SOLID: -580.0,
    NoduleKind.SPICULATED: 20.0,
    NoduleKind.JUXTA_PLEURAL: 40.0,
    NoduleKind.VESSEL_ATTACHED: 30.0,
}
"""HU of the lesion; the solid part of a part-solid nodule has 20 HU."""

VESSEL_HU = 45.0


@dataclass(frozen=True, eq=False)
class NoduleShape:
    """A nodule on a fine isotropic grid around its centre.

    Attributes
    ----------
    kind : NoduleKind
        What it is.
    step_mm : float
        Side of the fine voxels.
    lesion, core, vessel : ndarray of bool, cubic, odd side
        Lesion; its denser part (part-solid only); vessels attached to it that are not lesion.
    """

    kind: NoduleKind
    step_mm: float
    lesion: npt.NDArray[np.bool_]
    core: npt.NDArray[np.bool_]
    vessel: npt.NDArray[np.bool_]

    @property
    def volume_ml(self) -> float:
        """True volume."""
        return float(np.count_nonzero(self.lesion)) * self.step_mm**3 / 1000


def _bumps(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Array:
    """Smooth random field of mean about 0 and standard deviation 1."""
    coarse = rng.standard_normal([max(4, int(n / sigma) + 3) for n in shape]).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, 0.7)
    field = ndimage.zoom(coarse, [n / c for n, c in zip(shape, coarse.shape, strict=True)], order=1)
    return (field - field.mean()) / max(float(field.std()), 1e-6)


def make_nodule(
    kind: NoduleKind,
    diameter_mm: float,
    rng: np.random.Generator,
    step_mm: float = 0.4,
    outward: tuple[float, float, float] | None = None,
) -> NoduleShape:
    """Make a nodule of about a given diameter.

    Parameters
    ----------
    kind : NoduleKind
        What to make.
    diameter_mm : float
        Mean diameter of its body, without spikes.
    rng : numpy.random.Generator
        Shape, spikes and vessels are drawn from it.
    step_mm : float
        Side of the fine voxels.
    outward : tuple of float, optional
        Direction (slice, row, column) to the chest wall, for juxta-pleural nodules: their body is a
        flattened half ball on it. The wall itself is the chest's.

    Raises
    ------
    ValueError
        If the diameter is not at least five fine voxels.
    """
    if diameter_mm < 5 * step_mm:
        raise ValueError(f"found a diameter of {diameter_mm} mm, expected at least {5 * step_mm}")
    radius = diameter_mm / 2
    reach = radius * (2.2 if kind is NoduleKind.SPICULATED else 1.6) + 2
    half = int(np.ceil(reach / step_mm))
    axis = np.arange(-half, half + 1, dtype=np.float32) * np.float32(step_mm)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    stretch = rng.uniform(0.85, 1.15, 3)
    stretch /= np.prod(stretch) ** (1 / 3)
    distance = np.sqrt((z / stretch[0]) ** 2 + (y / stretch[1]) ** 2 + (x / stretch[2]) ** 2)
    distance = distance + np.float32(0.06 * radius) * _bumps(
        rng, distance.shape, max(radius / step_mm * 0.6, 2)
    )
    lesion = distance < radius
    core = np.zeros_like(lesion)
    vessel = np.zeros_like(lesion)
    if kind is NoduleKind.PART_SOLID:
        shift = rng.uniform(-0.2, 0.2, 3) * radius
        core = (z - shift[0]) ** 2 + (y - shift[1]) ** 2 + (x - shift[2]) ** 2 < (0.5 * radius) ** 2
        core &= lesion
    elif kind is NoduleKind.SPICULATED:
        for _ in range(int(rng.integers(9, 14))):
            direction = rng.standard_normal(3)
            direction /= np.linalg.norm(direction)
            along = z * direction[0] + y * direction[1] + x * direction[2]
            across = np.sqrt(np.maximum(z**2 + y**2 + x**2 - along**2, 0))
            length = radius * rng.uniform(1.4, 2.0)
            thickness = rng.uniform(0.16, 0.24) * radius * np.clip(1 - along / length, 0, 1)
            lesion |= (along > 0) & (across < thickness)
    elif kind is NoduleKind.VESSEL_ATTACHED:
        direction = rng.standard_normal(3)
        direction /= np.linalg.norm(direction)
        along = z * direction[0] + y * direction[1] + x * direction[2]
        across = np.sqrt(np.maximum(z**2 + y**2 + x**2 - along**2, 0))
        vessel = (across < max(0.2 * radius, 1.0)) & (along > 0) & ~lesion
    elif kind is NoduleKind.JUXTA_PLEURAL and outward is not None:
        direction = np.asarray(outward, dtype=float) / np.linalg.norm(outward)
        along = z * direction[0] + y * direction[1] + x * direction[2]
        lesion &= along < 0.35 * radius
    return NoduleShape(kind, step_mm, lesion, core, vessel)
