"""Phantom nodules with exactly known occupancy, of the kinds that readers meet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.compiled import compiled

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


def smooth_field(
    rng: np.random.Generator, shape: tuple[int, ...], lengths: tuple[float, ...]
) -> Array:
    """Smooth random field of mean 0 and standard deviation 1.

    `lengths` says, for each axis, over how many voxels the field changes.
    """
    sizes = [max(4, int(n / k) + 3) for n, k in zip(shape, lengths, strict=True)]
    field = rng.standard_normal(sizes).astype(np.float32)
    field = ndimage.gaussian_filter(field, 0.7)
    for axis, n in enumerate(shape):
        place = np.linspace(0, field.shape[axis] - 1, n)
        # Tents instead of hats would leave creases: the weights rise as a cosine does.
        share = 0.5 - 0.5 * np.cos(np.pi * (place % 1))
        low = np.minimum(place.astype(int), field.shape[axis] - 2)
        share[place.astype(int) > low] = 1
        weights = np.zeros((n, field.shape[axis]), np.float32)
        weights[np.arange(n), low] = 1 - share
        weights[np.arange(n), low + 1] += share.astype(np.float32)
        field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
    return (field - field.mean()) / max(float(field.std()), 1e-6)


@compiled
def _add_spikes(lesion, step, directions, lengths, thicknesses):
    """Set voxels within straight cones from the centre, in place; directions are unit vectors."""
    half = lesion.shape[0] // 2
    for spike in range(len(lengths)):
        dz, dy, dx = directions[spike]
        for k in range(lesion.shape[0]):
            for j in range(lesion.shape[1]):
                for i in range(lesion.shape[2]):
                    z, y, x = (k - half) * step, (j - half) * step, (i - half) * step
                    along = z * dz + y * dy + x * dx
                    if 0 < along < lengths[spike]:
                        width = thicknesses[spike] * (1 - along / lengths[spike])
                        if z * z + y * y + x * x - along * along < width * width:
                            lesion[k, j, i] = True


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
    scale = max(radius / step_mm * 0.6, 2)
    distance += np.float32(0.06 * radius) * smooth_field(rng, distance.shape, (scale,) * 3)
    lesion = distance < radius
    core = np.zeros_like(lesion)
    vessel = np.zeros_like(lesion)
    if kind is NoduleKind.PART_SOLID:
        shift = rng.uniform(-0.2, 0.2, 3) * radius
        core = (z - shift[0]) ** 2 + (y - shift[1]) ** 2 + (x - shift[2]) ** 2 < (0.5 * radius) ** 2
        core &= lesion
    elif kind is NoduleKind.SPICULATED:
        count = int(rng.integers(9, 14))
        directions = rng.standard_normal((count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lengths = radius * rng.uniform(1.4, 2.0, count)
        _add_spikes(lesion, step_mm, directions, lengths, rng.uniform(0.16, 0.24, count) * radius)
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
