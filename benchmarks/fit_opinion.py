"""Fit the weights of `pipelines/grabcut/opinion.py` on the tuning half of LIDC and print them.

    python benchmarks/fit_opinion.py FOLDER

Logistic regression of the 50 % consensus on the features of each voxel within 1.8 times the mark's
ellipsoid, over the bare stacks and those with context together. Each nodule weighs the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lidc import Nodule, load, with_context

from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.opinion import features
from pipelines.lesion import reach_mm

_OUTERMOST = 1.8


def voxels(nodule: Nodule) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Features and consensus of the voxels around one mark, shapes (n, terms) and (n,)."""
    spacing = np.asarray(nodule.volume.spacing)
    middle = nodule.volume.map_reference_to_indices(nodule.axes.centre[None])[0]
    half = reach_mm(nodule.axes) / spacing
    first = np.maximum(np.ceil(middle - half), 0).astype(int)
    box = tuple(
        slice(int(a), int(b) + 1) for a, b in zip(first, np.floor(middle + half), strict=True)
    )
    image = nodule.volume.array[box]
    ellipsoid = RecistEllipsoid.from_axes(nodule.axes, nodule.volume)
    radius = ellipsoid.radius(image.shape, tuple(spacing), tuple(first))
    terms = features(
        image, tuple(spacing), radius, ellipsoid.centre / spacing - first, ellipsoid.size_mm
    )
    near = radius < _OUTERMOST
    return np.stack([term[near] for term in terms], axis=-1), nodule.consensus[box][near]


def fit(x: npt.NDArray, y: npt.NDArray, weight: npt.NDArray, rounds: int = 12) -> npt.NDArray:
    """Weighted logistic regression by Newton's method."""
    b = np.zeros(x.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-x @ b))
        gradient = x.T @ (weight * (p - y))
        hessian = (x.T * (weight * p * (1 - p))) @ x + 1e-9 * np.eye(len(b))
        b -= np.linalg.solve(hessian, gradient)
    return b


def main() -> None:
    """Print one weight a term."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    x, y, weight = [], [], []
    for nodule in load(options.folder, "tune"):
        if not nodule.consensus.any():
            continue
        for case in (nodule, with_context(nodule, reach_mm(nodule.axes) + 2)):
            terms, labels = voxels(case)
            x.append(terms.astype(np.float64))
            y.append(labels.astype(np.float64))
            weight.append(np.full(len(labels), 1 / case.consensus.sum()))
    weights = np.concatenate(weight)
    print(np.round(fit(np.concatenate(x), np.concatenate(y), weights / weights.sum()), 2).tolist())


if __name__ == "__main__":
    main()
