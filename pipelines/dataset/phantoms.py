"""Phantom nodules as lesions that readers outlined: context goes on beyond their ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipelines.dataset.annotated import AnnotatedLesion, cached
from pipelines.phantom import NoduleKind, nodule_patch, simulated_readers
from pipelines.soft_mask import READERS_LEVEL

SPACINGS = ((0.625, 0.6, 0.6), (1.25, 0.7, 0.7), (2.0, 0.78, 0.78), (2.5, 0.65, 0.65))
DIAMETERS_MM = (5.0, 24.0)


def _phantom(name: str) -> AnnotatedLesion:
    number = int(name.rpartition("-")[2])
    rng = np.random.default_rng([number, 5])
    kinds = list(NoduleKind)
    low, high = np.log(DIAMETERS_MM)
    patch = nodule_patch(
        kinds[number % len(kinds)],
        float(np.exp(rng.uniform(low, high))),
        SPACINGS[int(rng.integers(len(SPACINGS)))],
        seed=number,
        noise_hu=float(rng.uniform(8, 40)),
    )
    spacing = tuple(float(s) for s in patch.volume.spacing)
    # Readers draw outside of where half of a voxel is lesion; these outline where a half is.
    seen = np.interp(patch.occupancy.array, (0, READERS_LEVEL, 1), (0, 0.5, 1))
    masks = simulated_readers(seen.astype(np.float32), spacing, rng)
    return AnnotatedLesion("phantom", name, patch.volume.array.astype(np.int16), masks, spacing)


def phantom_lesions(cache: Path, count: int, first: int = 0) -> list[Path]:
    """Files of phantoms, for `pipelines.dataset.annotated.kept`; a number is always the same one.

    Parameters
    ----------
    cache : Path
        Where the files are kept; what is there is not made again.
    count, first : int
        How many, from which number on.
    """
    names = [f"phantom/nodule-{number}" for number in range(first, first + count)]

    def make(missing: list[str]) -> Iterator[AnnotatedLesion]:
        return (_phantom(name.partition("/")[2]) for name in missing)

    return cached(cache, names, make)
