"""A chest CT phantom with one nodule of each kind, for the demonstration and for tests."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.longest_axes import axes_from_mask
from pipelines.phantom.anatomy import MUSCLE, Chest, add_vessels, lung_texture
from pipelines.phantom.nodule import NODULE_HU, VESSEL_HU, NoduleKind, NoduleShape, make_nodule
from pipelines.phantom.scanner import occupancy, scan
from pipelines.recist import RecistAxes

CORE_HU = 20.0

DIAMETERS_MM = {
    NoduleKind.SOLID: 14.0,
    NoduleKind.GROUND_GLASS: 18.0,
    NoduleKind.PART_SOLID: 20.0,
    NoduleKind.SPICULATED: 16.0,
    NoduleKind.JUXTA_PLEURAL: 18.0,
    NoduleKind.VESSEL_ATTACHED: 12.0,
}
"""Mean diameters of the bodies; each chest varies them by up to 15 %."""


@dataclass(frozen=True, eq=False)
class PhantomNodule:
    """A nodule whose truth is known.

    Attributes
    ----------
    kind : NoduleKind
        What it is.
    occupancy : highdicom.Volume, float32, axes (slice, row, column)
        Of each voxel the part that is lesion, exactly, on a crop of the chest's grid.
    offset : tuple of int
        Index of the crop's first voxel in the chest's volume.
    volume_ml : float
        True volume.
    axes : RecistAxes
        As a reader would draw them on the slice where the lesion is largest.
    """

    kind: NoduleKind
    occupancy: hd.Volume
    offset: tuple[int, int, int]
    volume_ml: float
    axes: RecistAxes

    @property
    def key_slice(self) -> int:
        """Index of the slice, in the chest's volume, that the axes lie on."""
        inside = (self.occupancy.array >= 0.5).sum(axis=(1, 2))
        return self.offset[0] + int(np.argmax(inside))


@dataclass(frozen=True, eq=False)
class ChestPhantom:
    """A chest CT in HU (int16, axes slice, row, column; slices from foot to head) and its truth."""

    volume: hd.Volume
    nodules: tuple[PhantomNodule, ...]


@dataclass(frozen=True, eq=False)
class _Placed:
    """A nodule, its centre in mm, and on its fine grid where the chest wall is, if it is near."""

    shape: NoduleShape
    centre: npt.NDArray[np.float64]
    wall: npt.NDArray[np.bool_] | None = None


def chest(
    seed: int = 0,
    spacing: tuple[float, float, float] = (1.5, 0.8, 0.8),
    size_mm: tuple[float, float, float] = (180.0, 256.0, 344.0),
    kinds: tuple[NoduleKind, ...] = tuple(NoduleKind),
    noise_hu: float = 20.0,
) -> ChestPhantom:
    """Make and scan a chest.

    Parameters
    ----------
    seed : int
        The same seed gives the same voxels.
    spacing : tuple of float
        Voxel size in mm.
    size_mm : tuple of float
        Extent of the volume in mm; the chest stands in its middle.
    kinds : tuple of NoduleKind
        Nodules to put in, one each.
    noise_hu : float
        Standard deviation of the noise.

    Raises
    ------
    ValueError
        If a nodule finds no room in the lungs that the volume shows.
    """
    rng = np.random.default_rng(seed)
    anatomy = Chest()
    shape = tuple(round(e / s) for e, s in zip(size_mm, spacing, strict=True))
    origin = tuple(-(n - 1) / 2 * s for n, s in zip(shape, spacing, strict=True))
    z, y, x = np.meshgrid(
        *[
            (o + np.arange(n) * s).astype(np.float32)
            for o, n, s in zip(origin, shape, spacing, strict=True)
        ],
        indexing="ij",
        sparse=True,
    )
    scene = anatomy.tissue(z, y, x)
    lung = scene == np.float32(-860.0)
    placed = _place(anatomy, origin, size_mm, kinds, rng)
    scene += lung * lung_texture(shape, spacing, rng)
    clear = [(p.centre, _radius(p.shape) + 2.5) for p in placed]
    add_vessels(scene, lung, origin, spacing, rng, clear)

    affine = np.array(
        [
            [0, 0, spacing[2], origin[2]],
            [0, spacing[1], 0, origin[1]],
            [spacing[0], 0, 0, origin[0]],
            [0, 0, 0, 1.0],
        ]
    )
    geometry = hd.VolumeGeometry(affine, shape, coordinate_system="PATIENT")
    nodules = tuple(_put(scene, geometry, origin, spacing, p) for p in placed)
    return ChestPhantom(geometry.with_array(scan(scene, spacing, rng, noise_hu)), nodules)


def _radius(shape: NoduleShape) -> float:
    """Largest distance of the lesion from its centre in mm, about."""
    points = np.argwhere(shape.lesion) - shape.lesion.shape[0] // 2
    return float(np.sqrt((points**2).sum(axis=1).max())) * shape.step_mm


def _place(
    anatomy: Chest,
    origin: tuple[float, float, float],
    size_mm: tuple[float, float, float],
    kinds: tuple[NoduleKind, ...],
    rng: np.random.Generator,
) -> list[_Placed]:
    """Draw places in the lungs, away from the volume's ends and from each other."""
    step = 3.0
    axes = [np.arange(o, o + e, step) for o, e in zip(origin, size_mm, strict=True)]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    lung = anatomy.lung(*grid)
    depth = ndimage.distance_transform_edt(np.pad(lung, 1))[1:-1, 1:-1, 1:-1] * step
    points = np.stack(np.broadcast_arrays(*grid), axis=-1)
    placed: list[_Placed] = []
    for kind in kinds:
        diameter = DIAMETERS_MM[kind] * rng.uniform(0.85, 1.15)
        if kind is NoduleKind.JUXTA_PLEURAL:
            # On the side wall: the lung's outermost voxels, whose outward direction is sideways.
            room = lung & (depth <= step) & (np.abs(grid[2]) > 95) & (np.abs(grid[1]) < 45)
        else:
            room = depth > 1.35 * diameter / 2 + 6
        room = room & (np.abs(grid[0]) < size_mm[0] / 2 - 1.6 * diameter)
        for other in placed:
            apart = np.linalg.norm(points - other.centre, axis=-1)
            room = room & (apart > _radius(other.shape) + diameter + 12)
        candidates = points[room]
        if len(candidates) == 0:
            raise ValueError(f"found no room for a {kind.value} nodule, expected a larger volume")
        centre = candidates[int(rng.integers(len(candidates)))] + rng.uniform(-0.4, 0.4, 3)
        outward = (0.0, 0.0, float(np.sign(centre[2])))
        if kind is NoduleKind.JUXTA_PLEURAL:
            while anatomy.lung(*np.reshape(centre, (3, 1))).all():
                centre = centre + 0.2 * np.asarray(outward)
            centre = centre - 0.3 * diameter / 2 * np.asarray(outward)
        shape = make_nodule(kind, diameter, rng, outward=outward)
        if kind is NoduleKind.JUXTA_PLEURAL:
            placed.append(_against_wall(anatomy, shape, centre))
        else:
            placed.append(_Placed(shape, centre))
    return placed


def _against_wall(anatomy: Chest, shape: NoduleShape, centre: npt.NDArray[np.float64]) -> _Placed:
    """A lesion ends where the chest wall begins."""
    half = shape.lesion.shape[0] // 2
    steps = np.arange(-half, half + 1) * shape.step_mm
    grid = np.meshgrid(*[c + steps for c in centre], indexing="ij", sparse=True)
    lung = anatomy.lung(*grid)
    lesion = shape.lesion & lung
    return _Placed(
        NoduleShape(shape.kind, shape.step_mm, lesion, shape.core, shape.vessel), centre, ~lung
    )


def _put(
    scene: npt.NDArray[np.float32],
    geometry: hd.VolumeGeometry,
    origin: tuple[float, float, float],
    spacing: tuple[float, float, float],
    placed: _Placed,
) -> PhantomNodule:
    """Mix a nodule into the scene by its occupancy; say where it is."""
    shape = placed.shape
    half = shape.lesion.shape[0] // 2 * shape.step_mm
    box = tuple(
        slice(max(int(np.floor((c - half - o) / s)) - 1, 0), min(int((c + half - o) / s) + 3, n))
        for c, o, s, n in zip(placed.centre, origin, spacing, scene.shape, strict=True)
    )
    first = tuple(
        float(c - half - (o + b.start * s))
        for c, o, b, s in zip(placed.centre, origin, box, spacing, strict=True)
    )
    size = tuple(b.stop - b.start for b in box)

    def part(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        return occupancy(inside, shape.step_mm, first, size, spacing)

    lesion, core, vessel = part(shape.lesion), part(shape.core), part(shape.vessel)
    local = scene[box]
    if placed.wall is not None:
        # The scene knows whole voxels of wall or lung; where lesion and wall share one, no lung is.
        wall = part(placed.wall)
        local = local * (1 - wall) + wall * np.where(local < -500, np.float32(MUSCLE), local)
    local = local * (1 - vessel) + vessel * np.float32(VESSEL_HU)
    local = local * (1 - lesion) + (lesion - core) * np.float32(NODULE_HU[shape.kind])
    scene[box] = local + core * np.float32(CORE_HU)
    truth = geometry[box].with_array(lesion)
    return PhantomNodule(
        kind=shape.kind,
        occupancy=truth,
        offset=tuple(b.start for b in box),
        volume_ml=shape.volume_ml,
        axes=axes_from_mask(lesion >= 0.5, truth),
    )
