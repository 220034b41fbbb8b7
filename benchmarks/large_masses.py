"""GrabCut of large masses: Dice on made scenes, with and without the look at tissue.

    python -m benchmarks.large_masses --json out.json

Each scene holds one mass of 35 to 110 mm in lung, its HU, texture, drift and extent across the
slices drawn at random, and what its kind says beside it. Truth is the voxels that are half mass or
more. Everything was designed on seeds below 1000; the default seeds are held out.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from unittest import mock

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.grabcut import RecistEllipsoid, grabcut
from pipelines.lesion import crop_around
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.phantom.nodule import smooth_field
from pipelines.phantom.scanner import PSF_SIGMA_MM, quantised
from pipelines.recist import RecistAxes

Array = npt.NDArray[np.float32]
LUNG_HU = -850.0


class SceneKind(Enum):
    """What lies beside the mass."""

    ALONE = "in lung alone"
    NECROTIC = "necrotic, in lung"
    WALL = "on a wall"
    OTHER_HU = "on an organ of other HU"
    OTHER_TEXTURE = "on an organ of other texture"
    ALIKE = "on an organ just like it"


_ON_ORGAN = (SceneKind.OTHER_HU, SceneKind.OTHER_TEXTURE, SceneKind.ALIKE)


@dataclass(frozen=True, eq=False)
class Scene:
    """CT in HU, what is mass in it, and the mark of its largest slice."""

    volume: hd.Volume
    truth: npt.NDArray[np.bool_]
    axes: RecistAxes


def make_scene(kind: SceneKind, seed: int) -> Scene:
    """The same kind and seed give the same voxels."""
    rng = np.random.default_rng([seed, list(SceneKind).index(kind)])
    radius = 0.5 * float(np.exp(rng.uniform(np.log(35), np.log(110))))
    pixel, step = max(0.8, radius / 35), float(rng.choice([1.0, 1.25, 2.0, 2.5, 3.0, 5.0]))
    step = max(step, pixel)
    spacing = (step, pixel, pixel)
    up, down = radius * rng.uniform(0.5, 1.4, 2)
    shape = (
        int((up + down + 1.8 * radius) / step) + 6,
        *(int(3.6 * radius / pixel) + 6,) * 2,
    )
    middle = ((up + 0.9 * radius) / step + 3, shape[1] / 2, shape[2] / 2)
    z, y, x = (
        ((np.arange(n) - m) * s).astype(np.float32).reshape([-1 if a == b else 1 for b in range(3)])
        for a, (n, m, s) in enumerate(zip(shape, middle, spacing, strict=True))
    )

    def field(length_mm: float) -> Array:
        return smooth_field(rng, shape, tuple(max(length_mm / s, 2) for s in spacing))

    def part(inside_mm: Array) -> Array:
        return np.clip(inside_mm / pixel + 0.5, 0, 1).astype(np.float32)

    stretch = rng.uniform(0.8, 1.2, 2) * radius
    # From a little pointed to boxy, and more or less lobed: real masses are no ellipsoids.
    power = rng.uniform(1.8, 3.5)
    flat = np.hypot(y / stretch[0], x / stretch[1]) ** power
    q = (np.abs(np.where(z > 0, z / down, z / up)) ** power + flat) ** (1 / power)
    q = q + np.float32(rng.uniform(0.05, 0.2)) * field(rng.uniform(0.4, 0.8) * radius)
    mass = part((1 - q) * radius)
    mass_hu, texture, grain = rng.uniform(20, 70), rng.uniform(2, 20), rng.uniform(5, 16)
    inner = mass_hu + texture * field(grain) + rng.uniform(0, 8) * field(radius)
    if kind is SceneKind.NECROTIC or rng.random() < 0.15:
        centre = rng.uniform(-0.4, 0.4, 3) * radius
        hole = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        hole = hole + 0.1 * radius * field(0.5 * radius)
        inner = inner - rng.uniform(15, 35) * part(rng.uniform(0.35, 0.65) * radius - hole)

    image = np.full(shape, LUNG_HU, np.float32) + 20 * field(4.0)
    others = np.zeros(shape, np.float32)

    def put(place: Array, hu: npt.NDArray) -> None:
        image[:] = image * (1 - place) + place * hu
        np.maximum(others, place, out=others)

    walls = int(rng.integers(0, 3))
    for _ in range(max(walls, 1) if kind is SceneKind.WALL else walls):
        angle, inset = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 1.1)
        lean = rng.uniform(-0.3, 0.3)
        depth = np.sin(angle) * y + np.cos(angle) * x + lean * z - inset * radius
        wall = rng.uniform(20, 110) + rng.uniform(3, 15) * field(8.0)
        # Fat between muscles, as a chest wall or a mediastinum has it.
        wall = np.where(field(12.0) > rng.uniform(0.8, 2.5), -90, wall)
        put(part(depth + 3 * field(20.0)), wall)
    if kind in _ON_ORGAN:
        side = rng.choice([-1.0, 1.0])
        top = rng.uniform(0.1, 0.8) * (down if side > 0 else up)
        curve = rng.uniform(60, 160)
        cy, cx = rng.uniform(-0.7, 0.7, 2) * radius
        dome = np.sqrt((side * z - top - curve) ** 2 + (y - cy) ** 2 + (x - cx) ** 2)
        if kind is SceneKind.OTHER_HU:
            organ_hu = mass_hu + rng.choice([-1, 1]) * rng.uniform(15, 60)
            grainy = texture / np.exp(rng.uniform(np.log(0.5), np.log(3)))
        elif kind is SceneKind.OTHER_TEXTURE:
            organ_hu = mass_hu + rng.uniform(-12, 12)
            grainy = texture * rng.choice([0.33, 2.0])
        else:
            organ_hu, grainy = mass_hu + rng.uniform(-5, 5), texture
        put(part(curve - dome), organ_hu + grainy * field(grain))
        if rng.random() < 0.8:
            mass = mass * (1 - others)
    if rng.random() < 0.7:
        mass = mass * (1 - others)
    image = image * (1 - mass) + mass * inner

    truth = mass >= 0.5
    labels, _ = ndimage.label(truth)
    truth = labels == 1 + int(np.bincount(labels.ravel())[1:].argmax())
    image = ndimage.gaussian_filter(image, (0.25, PSF_SIGMA_MM / pixel, PSF_SIGMA_MM / pixel))
    reach = rng.uniform(0.5, 1.1)
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (0.4 / step, reach / pixel, reach / pixel))
    image += noise * np.float32(rng.uniform(8, 25) / noise.std())
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, :3] = np.diag(spacing)[:, ::-1].T
    volume = hd.Volume(quantised(image), affine, coordinate_system="PATIENT")
    return Scene(volume, truth, axes_from_mask(truth, volume))


def scores(kind: SceneKind, seed: int) -> dict[str, float | int | str]:
    """Dice of the bare ellipsoid, and of GrabCut with and without the look at tissue."""
    scene = make_scene(kind, seed)
    box, _ = crop_around(scene.volume, scene.axes)
    image = scene.volume.array[box].astype(np.float32)
    spacing = tuple(float(s) for s in scene.volume.spacing)
    offset = tuple(s.start for s in box)
    ellipsoid = RecistEllipsoid.from_axes(scene.axes, scene.volume)

    def against_truth(part: npt.NDArray[np.bool_]) -> float:
        mask = np.zeros(scene.truth.shape, bool)
        mask[box] = part
        return dice(mask, scene.truth)

    row = {"kind": kind.value, "seed": seed, "long_mm": ellipsoid.long_mm}
    row["ellipsoid"] = against_truth(ellipsoid.radius(image.shape, spacing, offset) <= 1)
    with mock.patch.object(importlib.import_module(grabcut.__module__), "tissue_share", _never):
        row["without"] = against_truth(grabcut(image, spacing, ellipsoid, offset).mask)
    row["with"] = against_truth(grabcut(image, spacing, ellipsoid, offset).mask)
    return row


def _never(ellipsoid: RecistEllipsoid) -> float:
    return 0.0


def main() -> None:
    """Print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=20, help="scenes of each kind")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    rows = [scores(kind, seed) for kind in SceneKind for seed in seeds]
    names = ("ellipsoid", "without", "with")
    print(f"{'Dice':30} {'n':>4} " + " ".join(f"{n:>9}" for n in names) + "  worse  better")
    for label in (*(kind.value for kind in SceneKind), "all"):
        of = [r for r in rows if label in (r["kind"], "all")]
        means = " ".join(f"{statistics.mean(r[n] for r in of):9.3f}" for n in names)
        gains = [r["with"] - r["without"] for r in of]
        worse, better = sum(g < -0.01 for g in gains), sum(g > 0.01 for g in gains)
        print(f"{label:30} {len(of):4} {means}  {worse:5}  {better:6}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
