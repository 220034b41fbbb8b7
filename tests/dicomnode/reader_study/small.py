"""A reader study of small eggs in lung, made of files: no method has to be computed for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from dicomnode.reader_study.definition import StudyDefinition
from dicomnode.reader_study.making import Made, make_study
from dicomnode.store.database import Database

SHAPE = (20, 44, 40)
SPACING = (2.0, 0.8, 0.8)
CANDIDATES = [
    {"name": f"mask-{n}", "origin": "person", "from": "reader", "reader": n} for n in (1, 2, 3)
] + [{"name": "matte", "origin": "computer", "from": "file", "file": "{case}-matte.nii.gz"}]


@dataclass(frozen=True, eq=False)
class SmallStudy:
    """A study in a store of its own."""

    database: Database
    store: Path
    folder: Path
    definition: StudyDefinition
    made: Made


def small_study(
    folder: Path, cases: int = 3, database: Database | None = None, **changes: Any
) -> SmallStudy:
    """Write the files, and make the study; `changes` are of its definition."""
    files = folder / "files"
    files.mkdir()
    sources = [_case(files, f"egg-{number}", number) for number in range(1, cases + 1)]
    definition = StudyDefinition.model_validate(
        {
            "name": "eggs-and-matte",
            "title": "Eggs in lung",
            "display": "alpha",
            "seed": 5,
            "candidates": CANDIDATES,
            "cases": sources,
        }
        | changes
    )
    store = folder / "store"
    store.mkdir()
    if database is None:
        database = Database(f"sqlite:///{store / 'node.sqlite'}")
        database.upgrade()
    made = make_study(database, store, definition, files, "tester")
    return SmallStudy(database, store, files, definition, made)


def egg(number: int) -> tuple[np.ndarray, np.ndarray]:
    """HU and alpha of an egg, thicker to one side."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    away = (grid - np.array(SHAPE) * (0.5, 0.45, 0.55)) * SPACING
    radii = np.array([9.0, 7.0, 6.0]) + number / 4
    lean = 1 + 0.2 * np.tanh(away / radii).sum(axis=-1) / 3
    depth = (lean - np.linalg.norm(away / radii, axis=-1)) * 6
    alpha = np.clip(depth / 3 + 0.5, 0, 1).astype(np.float32)
    noise = np.random.default_rng(number).normal(0, 20, SHAPE)
    return np.rint(alpha * 40 - (1 - alpha) * 860 + noise).astype(np.int16), alpha


def _case(files: Path, name: str, number: int) -> dict[str, Any]:
    hu, alpha = egg(number)
    _write(files / f"{name}.nii.gz", hu)
    _write(files / f"{name}-matte.nii.gz", alpha)
    masks = []
    for reader, level in enumerate((0.2, 0.5, 0.8), 1):
        masks.append(f"{name}-reader-{reader}.nii.gz")
        _write(files / masks[-1], (alpha >= level).astype(np.uint8))
    return {"ct": f"{name}.nii.gz", "masks": masks}


def _write(path: Path, array: np.ndarray) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING[::-1])
    sitk.WriteImage(image, str(path))
