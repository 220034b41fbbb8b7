"""The parts of a chest as functions of place: mm, axes (slice, row, column), origin in the middle.

Rows run from front to back, columns from the patient's right to the left, slices from foot to head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.phantom.nodule import VESSEL_HU

Array = npt.NDArray[np.float32]

AIR, LUNG, FAT, MUSCLE, BLOOD, MARROW, CORTEX, TABLE = (
    -1000.0,
    -860.0,
    -95.0,
    50.0,
    45.0,
    180.0,
    600.0,
    -350.0,
)


@dataclass(frozen=True)
class Chest:
    """Sizes of one chest in mm."""

    half_depth: float = 108.0
    half_width: float = 158.0
    wall: float = 30.0
    height: float = 180.0

    def _ellipse(self, y: Array, x: Array, inset: float) -> Array:
        """Signed distance to the body's outline less `inset`, about mm, negative inside."""
        a, b = self.half_depth - inset, self.half_width - inset
        # A flattened ellipse, as a chest is seen from below.
        r = (np.abs(y / a) ** 2.4 + np.abs(x / b) ** 2.4) ** (1 / 2.4)
        return (r - 1) * np.float32(min(a, b))

    def lung(self, z: Array, y: Array, x: Array) -> npt.NDArray[np.bool_]:
        """Where lung is, for coordinate arrays that broadcast."""
        apex = np.clip((z - 0.15 * self.height) / (0.45 * self.height), 0, 1) ** 2 * 45
        inside = self._ellipse(y, x, self.wall) < -apex
        # Mediastinum and heart, which bulges to the left and is largest low down.
        middle = (x / 36) ** 2 + ((y + 5) / 85) ** 2 < 1
        heart = ((z + 30) / 52) ** 2 + ((y + 32) / 52) ** 2 + ((x - 30) / 60) ** 2 < 1
        spine = (x / 30) ** 2 + ((y - 72) / 34) ** 2 < 1
        dome_right = ((x + 75) / 85) ** 2 + (y / 95) ** 2
        dome_left = ((x - 75) / 85) ** 2 + (y / 95) ** 2
        floor = (
            -0.5 * self.height
            - 20
            + 38 * np.maximum(1 - np.minimum(dome_right, dome_left * 1.25), 0)
        )
        return inside & ~middle & ~heart & ~spine & (z > floor)

    def tissue(self, z: Array, y: Array, x: Array) -> Array:
        """True HU of everything but lung texture, vessels and nodules."""
        body = self._ellipse(y, x, 0)
        hu = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), AIR, np.float32)
        table = np.abs(y - self.half_depth - 9 + (x / 260) ** 2 * 40) < 5
        hu[np.broadcast_to(table & (np.abs(x) < 210), hu.shape)] = TABLE
        plane = np.where(body < 0, np.where(body < -11, MUSCLE, FAT), np.nan).astype(np.float32)
        hu = np.where(np.isnan(plane), hu, plane)
        hu = self._bones(hu, z, y, x)
        lung = self.lung(z, y, x)
        hu[lung] = LUNG
        fat = ((x / 33) ** 2 + ((y + 5) / 80) ** 2 < 1) & ~lung & (y > -75) & (y < 35)
        hu[fat & (hu == MUSCLE)] = FAT
        heart = ((z + 30) / 48) ** 2 + ((y + 32) / 48) ** 2 + ((x - 30) / 55) ** 2 < 1
        hu[heart] = BLOOD
        self._tubes(hu, z, y, x)
        return hu

    def _bones(self, hu: Array, z: Array, y: Array, x: Array) -> Array:
        """Ribs in the chest wall, vertebra with its canal, breastbone."""
        depth = self._ellipse(y, x, self.wall - 9)
        angle = np.arctan2(x / self.half_width, -y / self.half_depth)
        # Ribs fall from the spine to the front, on both sides alike.
        phase = (z - 34 * np.cos(angle)) / 31
        ribs = (np.abs(depth) < 4.5) & (np.abs(phase - np.rint(phase)) < 0.2)
        ribs &= np.abs(angle) > 0.35
        hu[ribs] = CORTEX
        hu[ribs & (np.abs(depth) < 2.3)] = MARROW
        body = (x / 19) ** 2 + ((y - 62) / 15) ** 2
        disc = np.abs(z / 26 - np.rint(z / 26)) > 0.4
        hu[np.broadcast_to((body < 1), hu.shape) & ~disc] = MARROW
        hu[np.broadcast_to((body < 1) & (body > 0.82), hu.shape) & ~disc] = CORTEX
        arch = (np.hypot(x, y - 84) < 13) & (np.hypot(x, y - 84) > 9)
        process = (np.abs(x) < 3) & (y > 95) & (y < self.half_depth - 6)
        hu[np.broadcast_to(arch | process, hu.shape) & ~disc] = CORTEX
        sternum = (x / 17) ** 2 + ((y + self.half_depth - 22) / 6) ** 2
        hu[np.broadcast_to(sternum < 1, hu.shape)] = MARROW
        return hu

    def _tubes(self, hu: Array, z: Array, y: Array, x: Array) -> None:
        """Aorta, vena cava, oesophagus, trachea and main bronchi."""
        upper = z > 12
        for centre_y, centre_x, radius in ((40, 20, 12), (-35, -22, 9), (38, 0, 6)):
            hu[np.broadcast_to(np.hypot(y - centre_y, x - centre_x) < radius, hu.shape)] = BLOOD
        ascending = np.hypot(y + 40, x - 2) < 15
        hu[ascending & upper] = BLOOD
        wide = np.where(upper, 0, (12 - z) * 0.75)
        for side in (-1, 1):
            hole = np.hypot(y - 12, x - side * wide)
            there = (z > -28) & (hole < 9.5)
            hu[there] = MUSCLE
            hu[(z > -28) & (hole < 8)] = AIR


def add_vessels(
    hu: Array,
    lung: npt.NDArray[np.bool_],
    origin_mm: tuple[float, float, float],
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    keep_clear: list[tuple[npt.NDArray[np.float64], float]],
) -> None:
    """Draw branching vessels from both hila into the lungs, in place.

    `keep_clear` lists centres and radii in mm that vessels avoid.
    """
    centres = np.array([centre for centre, _ in keep_clear]).reshape(-1, 3)
    radii = np.array([radius for _, radius in keep_clear])
    stack = []
    for side in (-1, 1):
        for _ in range(16):
            direction = rng.standard_normal(3) * (1.1, 0.8, 0.5) + (0, 0, side)
            stack.append((np.array([-5.0, 5.0, side * 38.0]), direction, 4.0))
    while stack:
        start, direction, radius = stack.pop()
        direction = direction / np.linalg.norm(direction)
        end = start + direction * rng.uniform(14, 26)
        if (_distances(centres, start, end) > radii + radius).all():
            _draw(hu, lung, start, end, radius, origin_mm, spacing)
        index = np.rint((end - origin_mm) / spacing).astype(int)
        inside = (index >= 0).all() and (index < hu.shape).all()
        # Thick vessels may leave the lung at the hilum; a thin one ends where the lung does.
        if radius > 0.75 and inside and (radius > 2.5 or lung[tuple(index)]):
            for _ in range(2):
                turned = direction + 0.55 * rng.standard_normal(3)
                stack.append((end, turned, radius * rng.uniform(0.62, 0.8)))


def _distances(points: npt.NDArray, start: npt.NDArray, end: npt.NDArray) -> npt.NDArray:
    """Distances of points to a line segment."""
    axis = end - start
    t = np.clip((points - start) @ axis / (axis @ axis), 0, 1)
    return np.linalg.norm(points - start - t[:, None] * axis, axis=1)


def _draw(
    hu: Array,
    lung: npt.NDArray[np.bool_],
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    radius: float,
    origin_mm: tuple[float, float, float],
    spacing: tuple[float, float, float],
) -> None:
    """One straight piece of vessel, its edge averaged over about a voxel."""
    low, high = np.minimum(start, end) - radius - 1, np.maximum(start, end) + radius + 1
    box, steps = [], []
    for axis in range(3):
        first = max(int((low[axis] - origin_mm[axis]) / spacing[axis]), 0)
        last = min(int((high[axis] - origin_mm[axis]) / spacing[axis]) + 1, hu.shape[axis])
        if last <= first:
            return
        box.append(slice(first, last))
        steps.append(origin_mm[axis] + np.arange(first, last) * spacing[axis])
    box = tuple(box)
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    d = (end - start) / np.linalg.norm(end - start)
    along = (z - start[0]) * d[0] + (y - start[1]) * d[1] + (x - start[2]) * d[2]
    along_inside = np.clip(along, 0, np.linalg.norm(end - start))
    gap = np.sqrt(
        (z - start[0] - along_inside * d[0]) ** 2
        + (y - start[1] - along_inside * d[1]) ** 2
        + (x - start[2] - along_inside * d[2]) ** 2
    )
    share = np.clip(radius - gap + 0.5, 0, 1)
    vessel = np.maximum(hu[box], LUNG + share * (VESSEL_HU - LUNG))
    hu[box] = np.where(lung[box], vessel, hu[box])


def lung_texture(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], rng: np.random.Generator
) -> Array:
    """Slowly varying density of lung, HU around 0."""
    coarse = tuple(int(n * s / 6) + 2 for n, s in zip(shape, spacing, strict=True))
    field = rng.standard_normal(coarse).astype(np.float32) * 22
    for axis, (n, s) in enumerate(zip(shape, spacing, strict=True)):
        place = np.arange(n) * s / 6
        low = place.astype(int)
        share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        field = field.take(low, axis) * (1 - share) + field.take(low + 1, axis) * share
    return field
