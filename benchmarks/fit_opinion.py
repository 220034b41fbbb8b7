"""Fit the weights of `pipelines/grabcut/opinion.py` and write `opinion_weights.py`.

    python -m benchmarks.fit_opinion FOLDER

Logistic regression of the 50 % consensus on the features of the voxels within 1.5 times the mark's
ellipsoid, over the tuning half of LIDC, bare stacks and those with context together. Beside them
stand phantoms of seeds below 1000, and scenes of what LIDC does not hold: lesions of up to 90 mm
that invade wall, liver or mediastinum of nearly their own density. Each nodule weighs the same; a
ridge holds the weights small. `--validate` goes before with a cross-validation by patient.

`--plain` fits the plain regression instead, which takes over for large marks, on LIDC alone and
without a ridge; it prints its weights beside those in use, and the largest mark that it saw.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt

from benchmarks.lidc import load, with_context
from pipelines.grabcut import opinion
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.features import FEATURES, measure
from pipelines.lesion import crop_around, hounsfield
from pipelines.longest_axes import axes_from_mask
from pipelines.phantom import NoduleKind, nodule_patch
from pipelines.phantom.nodule import make_nodule
from pipelines.phantom.scanner import occupancy, scan
from pipelines.recist import RecistAxes

_OUTERMOST = 1.5
_MOST_VOXELS = 1000
"""Of one nodule, drawn by lot."""

_PARTS = {"": 0.76, "phantoms": 0.18, "scenes": 0.06}
"""Weights of LIDC and of what stands beside it."""

_RIDGE = 1e-3
_FOLDS = 4
_FILE = Path(opinion.__file__).with_name("opinion_weights.py")


@dataclass(frozen=True, eq=False)
class Sample:
    """Voxels of one nodule: features, labels, the weight of each, and who it belongs to.

    `beside` names what is not LIDC: phantoms or scenes.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.bool_]
    weight: float
    patient: str
    beside: str
    size_mm: float


def sample(
    volume: hd.Volume,
    axes: RecistAxes,
    truth: npt.NDArray[np.bool_],
    patient: str,
    rng: np.random.Generator,
    beside: str = "",
) -> Sample:
    """Measure the voxels around one mark and keep some of them."""
    # The crop of the pipeline, so that the edges of what is seen are those of its use.
    box, _ = crop_around(volume, axes)
    image = hounsfield(volume[box])
    spacing = tuple(float(s) for s in volume.spacing)
    offset = tuple(s.start for s in box)
    ellipsoid = RecistEllipsoid.from_axes(axes, volume)
    radius = ellipsoid.radius(image.shape, spacing, offset)
    wanted = radius < _OUTERMOST
    features = measure(image, spacing, ellipsoid, offset, radius, wanted).features
    labels = truth[box][wanted]
    chosen = rng.permutation(len(labels))[:_MOST_VOXELS]
    weight = len(labels) / len(chosen) / max(int(truth.sum()), 1)
    return Sample(features[chosen], labels[chosen], weight, patient, beside, ellipsoid.size_mm)


def scene(seed: int) -> tuple[hd.Volume, RecistAxes, npt.NDArray[np.bool_]]:
    """A lesion in tissue of nearly its own density, with lung on one side or none; and its truth.

    Half of those beside lung end at the tissue's surface, the others grow through it.
    """
    rng = np.random.default_rng(50_000 + seed)
    diameter = float(np.exp(rng.uniform(np.log(8), np.log(90))))
    pixel = max(0.7, diameter / 36)
    # Across the slices lesions of the tuning half reach 0.9 times as far as a mark tells, 0.65 to
    # 1.3 times in four of five.
    stretch = float(np.exp(rng.normal(np.log(0.88), 0.25)))
    thickness = max(float(rng.choice([1.25, 2.5, 3.0])), pixel)
    spacing = (thickness / stretch, pixel, pixel)
    shape = make_nodule(NoduleKind.SOLID, diameter, rng, max(0.4, diameter / 40))
    extent = shape.lesion.shape[0] * shape.step_mm / 2 + 0.35 * diameter + 6
    size = tuple(int(2 * extent / s) for s in spacing)
    half = shape.lesion.shape[0] // 2
    places = np.meshgrid(
        *[(np.arange(n) - n / 2) * s for n, s in zip(size, spacing, strict=True)],
        indexing="ij",
        sparse=True,
    )
    first = tuple(n / 2 * s - half * shape.step_mm for n, s in zip(size, spacing, strict=True))
    lesion = occupancy(shape.lesion, shape.step_mm, first, size, spacing)
    # The diaphragm is as near to large lesions as the side wall is.
    normal = rng.standard_normal(3) * (1.6, 1, 1)
    normal /= np.linalg.norm(normal)
    surface = rng.uniform(-0.7, 1.3) * diameter / 2 if rng.random() < 0.75 else -1e3
    depth = sum(p * n for p, n in zip(places, normal, strict=True)) - surface
    tissue = np.clip(depth / pixel + 0.5, 0, 1).astype(np.float32)
    if surface > -0.4 * diameter and rng.random() < 0.5:
        lesion = lesion * (1 - tissue)
    hu = rng.uniform(20, 80)
    unlike = 0.0 if rng.random() < 0.4 else rng.normal(0, 35)
    image = -850 + tissue * np.float32(hu + 850)
    image = image * (1 - lesion) + lesion * np.float32(hu + unlike)
    image = scan(image.astype(np.float32), spacing, rng, rng.uniform(8, 25))
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = thickness, pixel, pixel, 1
    volume = hd.Volume(image, affine, coordinate_system="PATIENT")
    truth = lesion >= 0.5
    return volume, axes_from_mask(truth, volume), truth


def fit(samples: list[Sample], shares: dict[str, float]) -> npt.NDArray[np.float64]:
    """Weights of all products; LIDC and what stands beside it have their shares."""
    totals = {
        name: sum(s.weight * len(s.labels) for s in samples if s.beside == name) for name in shares
    }
    terms = opinion.products(np.concatenate([s.features for s in samples]))
    weights = [s.weight / totals[s.beside] * shares[s.beside] for s in samples]
    return regress(terms, samples, weights, _RIDGE)


def fit_plain(samples: list[Sample]) -> npt.NDArray[np.float64]:
    """Weights of the plain regression."""
    terms = [opinion.plain_terms(s.features, np.log(s.size_mm / 5)) for s in samples]
    total = sum(s.weight * len(s.labels) for s in samples)
    return regress(np.concatenate(terms), samples, [s.weight / total for s in samples], 1e-9)


def regress(
    terms: npt.NDArray[np.float32],
    samples: list[Sample],
    weights: list[float],
    ridge: float,
    rounds: int = 8,
) -> npt.NDArray[np.float64]:
    """Weighted logistic regression by Newton's method; one weight for the voxels of a sample."""
    y = np.concatenate([s.labels for s in samples]).astype(np.float32)
    weight = np.concatenate(
        [np.full(len(s.labels), w, np.float32) for s, w in zip(samples, weights, strict=True)]
    )
    b = np.zeros(terms.shape[1])
    ridges = np.full(len(b), ridge)
    ridges[0] = 1e-9
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-(terms @ b.astype(np.float32))))
        gradient = terms.T @ (weight * (p - y)) + ridges * b
        hessian = (terms.T * (weight * p * (1 - p))) @ terms
        b -= np.linalg.solve(hessian.astype(np.float64) + np.diag(ridges), gradient)
    return b


def loss(samples: list[Sample], b: npt.NDArray[np.float64]) -> float:
    """Mean over nodules of the log loss, in parts of the lesion's voxels."""
    total = 0.0
    for s in samples:
        z = opinion.products(s.features) @ b
        total += s.weight * float(np.logaddexp(0, np.where(s.labels, -z, z)).sum())
    return total / len(samples)


def write(weights: npt.NDArray[np.float64]) -> None:
    """Write the weights as numbers, to three decimals."""
    numbers = [f"{v:.3f}".replace("-0.000", "0.000") for v in weights]
    groups = [numbers[:1], numbers[1 : 1 + len(FEATURES)]]
    start = 1 + len(FEATURES)
    for row in range(len(FEATURES)):
        groups.append(numbers[start : start + len(FEATURES) - row])
        start += len(FEATURES) - row
    lines = [
        '"""Weights of `opinion`, written by `benchmarks/fit_opinion.py`.',
        "",
        "The constant, one weight a feature, and one a product of two features, row by row of the",
        'upper triangle. Features in the order of `features.FEATURES`.\n"""',
        "",
        "# fmt: off",
        "WEIGHTS = (",
    ]
    for group in groups:
        for i in range(0, len(group), 11):
            lines.append("    " + ", ".join(group[i : i + 11]) + ",")
    _FILE.write_text("\n".join([*lines, ")", "# fmt: on", ""]))


def main() -> None:
    """Fit, say how well, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5, help="phantoms of each kind and size")
    parser.add_argument("--scenes", type=int, default=360, help="of lesions in dense tissue")
    parser.add_argument("--validate", action="store_true", help="cross-validate by patient first")
    parser.add_argument("--plain", action="store_true", help="the regression for large marks")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    samples = []
    for nodule in load(options.folder, "tune"):
        if nodule.consensus.any():
            for case in (nodule, with_context(nodule, 0.75 * nodule.axes.long_mm + 6)):
                samples.append(sample(case.volume, case.axes, case.consensus, case.patient, rng))
    if options.plain:
        print("fitted", np.round(fit_plain(samples), 2).tolist())
        print("in use", list(opinion.PLAIN))
        print(f"largest mark: mean radius {max(s.size_mm for s in samples):.1f} mm")
        return
    for kind in NoduleKind:
        for thickness in (1.25, 2.5):
            for diameter in (8.0, 14.0, 22.0):
                for seed in range(options.seeds):
                    patch = nodule_patch(kind, diameter, (thickness, 0.7, 0.7), seed)
                    truth = patch.occupancy.array >= 0.5
                    samples.append(
                        sample(patch.volume, patch.axes, truth, f"seed {seed}", rng, "phantoms")
                    )
    for seed in range(options.scenes):
        samples.append(sample(*scene(seed), f"scene {seed}", rng, "scenes"))
    if options.validate:
        fold = [hashlib.sha256(s.patient.encode()).digest()[1] % _FOLDS for s in samples]
        for number in range(_FOLDS):
            b = fit([s for s, f in zip(samples, fold, strict=True) if f != number], _PARTS)
            for name in _PARTS:
                held = [
                    s
                    for s, f in zip(samples, fold, strict=True)
                    if f == number and s.beside == name
                ]
                print(
                    f"fold {number}, {name or 'LIDC'}: {len(held)} nodules, "
                    f"log loss {loss(held, b):.4f}"
                )
    b = fit(samples, _PARTS)
    print(f"all: {len(samples)} nodules, log loss {loss(samples, b):.4f}")
    write(b)


if __name__ == "__main__":
    main()
