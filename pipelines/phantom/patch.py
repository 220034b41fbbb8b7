"""One phantom nodule in a small piece of lung, for tests and benchmarks."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipelines.longest_axes import axes_from_mask
from pipelines.phantom.anatomy import lung_texture
from pipelines.phantom.nodule import NODULE_HU, VESSEL_HU, NoduleKind, make_nodule
from pipelines.phantom.scanner import PSF_SIGMA_MM, blur_mm, noise, occupancy, quantised
from pipelines.recist import RecistAxes

LUNG_HU, WALL_HU, CORE_HU = -860.0, 40.0, 20.0
STEP_MM, WALL_STEP_MM = 0.25, 0.5
TEXTURE = 0.5
"""How much of the chest's lung texture a patch shows."""


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
    psf_mm: float = PSF_SIGMA_MM,
) -> Patch:
    """Scan one nodule in a piece of lung.

    Shapes are known on a grid of 0.25 mm; blur and averaging over voxels are applied to that grid,
    so that neither truth nor image depends on where voxels lie. Lung has a slowly varying density.
    A juxta-pleural nodule sits on a chest wall that is curved as seen from the lung and stands in
    any direction.

    Parameters
    ----------
    kind : NoduleKind
        What to scan.
    diameter_mm : float
        Mean diameter of its body.
    spacing : tuple of float
        Voxel size in mm (slice, row, column).
    seed : int
        The same seed gives the same voxels; with other spacings the same lesion.
    noise_hu : float
        Standard deviation of the noise.
    psf_mm : float
        Standard deviation of the scanner's point spread in the plane.

    Raises
    ------
    EmptyMaskError
        If slices are so thick that no voxel is at least half lesion: there is nothing to mark.
    """
    rng = np.random.default_rng(seed)
    shape = make_nodule(kind, diameter_mm, rng, STEP_MM)
    hazy = kind in (NoduleKind.GROUND_GLASS, NoduleKind.PART_SOLID)
    lesion_hu = NODULE_HU[kind] + rng.uniform(-1, 1) * (60 if hazy else 20)
    lung_hu, wall_hu = LUNG_HU + rng.uniform(-20, 30), WALL_HU + rng.uniform(-20, 20)
    wall = _Wall.beside(diameter_mm, rng) if kind is NoduleKind.JUXTA_PLEURAL else None
    half = shape.lesion.shape[0] // 2
    extent = half * STEP_MM + 0.9 * diameter_mm / 2 + 6
    size = tuple(int(2 * extent / s) for s in spacing)
    centre = [n / 2 * s + rng.uniform(-0.5, 0.5) * s for n, s in zip(size, spacing, strict=True)]
    blur = blur_mm(spacing, psf_mm)

    def scanned(inside: npt.NDArray, steps: tuple[float, ...], first: tuple[float, ...]):
        return occupancy(inside, steps, first, size, spacing, blur)

    steps = (STEP_MM,) * 3
    first = tuple(c - half * STEP_MM for c in centre)
    lesion = shape.lesion
    scene = np.full(size, lung_hu, np.float32)
    scene += TEXTURE * lung_texture(size, spacing, rng)
    if wall is not None:
        fine = np.arange(-half, half + 1, dtype=np.float32) * np.float32(STEP_MM)
        lesion = lesion & (wall.depth(fine, fine, fine) <= 0)
        # Reaches beyond the patch, so that the wall does not end where the patch does.
        counts = tuple(int((n * s + 8) / WALL_STEP_MM) for n, s in zip(size, spacing, strict=True))
        axes = [-c - 4 + np.arange(n) * WALL_STEP_MM for c, n in zip(centre, counts, strict=True)]
        share = np.clip(wall.depth(*axes) / WALL_STEP_MM + 0.5, 0, 1)
        part = scanned(share, (WALL_STEP_MM,) * 3, (-4.0,) * 3)
        scene += part * (np.float32(wall_hu) - scene)
    # Components do not overlap, and the scanner is linear: each adds what it is beyond lung.
    for inside, hu in (
        (shape.vessel & ~lesion, VESSEL_HU),
        (lesion & ~shape.core, lesion_hu),
        (shape.core & lesion, CORE_HU),
    ):
        if inside.any():
            scene += scanned(inside, steps, first) * np.float32(hu - lung_hu)
    image = scene + noise(size, spacing, rng, noise_hu) if noise_hu else scene
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1
    truth = hd.Volume(
        occupancy(lesion, STEP_MM, first, size, spacing), affine, coordinate_system="PATIENT"
    )
    return Patch(
        volume=truth.with_array(quantised(image)),
        occupancy=truth,
        axes=axes_from_mask(truth.array >= 0.5, truth),
        volume_ml=float(np.count_nonzero(lesion)) * STEP_MM**3 / 1000,
    )


@dataclass(frozen=True)
class _Wall:
    """A chest wall: everything outside of a large ball. Lengths in mm, from the nodule's centre."""

    outward: tuple[float, float, float]
    distance: float
    radius: float

    @classmethod
    def beside(cls, diameter_mm: float, rng: np.random.Generator) -> _Wall:
        """A wall that cuts off a part of the nodule, mostly beside it in the plane."""
        direction = rng.standard_normal(3) * (0.4, 1, 1)
        direction /= np.linalg.norm(direction)
        return cls(
            tuple(direction), rng.uniform(0.2, 0.5) * diameter_mm / 2, float(rng.uniform(45, 120))
        )

    def depth(self, z: npt.NDArray, y: npt.NDArray, x: npt.NDArray) -> npt.NDArray[np.float32]:
        """How deep in the wall each point of a grid lies; negative in the lung."""
        total = 0
        for n, line, axis in zip(range(3), (z, y, x), self.outward, strict=True):
            offset = line - axis * (self.distance - self.radius)
            total = total + (offset**2).reshape([-1 if k == n else 1 for k in range(3)])
        return (np.sqrt(total) - self.radius).astype(np.float32)
