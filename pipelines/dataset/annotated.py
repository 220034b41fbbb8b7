"""A lesion that readers outlined, and how it is kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from pipelines.dataset.whole_file import read_arrays, write_arrays

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class AnnotatedLesion:
    """One lesion on a small CT crop.

    Attributes
    ----------
    patient, name : str
        Names of research data sets, which hold no person's name.
    hu : ndarray of int16, axes (slice, row, column)
    masks : ndarray of bool, axes (reader, slice, row, column)
        One mask a reader, each of whom may have marked nothing, at least one of whom did.
    spacing : tuple of float
        Voxel size in mm (slice, row, column).
    beyond : ndarray of int16, shape (2, rows, columns), or None
        What is below the first and above the last slice where the data hold nothing: see
        `pipelines.dataset.beyond_ends`. None where the crop itself reaches beyond the lesion.
    """

    patient: str
    name: str
    hu: npt.NDArray[np.int16]
    masks: npt.NDArray[np.bool_]
    spacing: tuple[float, float, float]
    beyond: npt.NDArray[np.int16] | None = None

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or self.masks.shape[1:] != self.hu.shape:
            raise ValueError(f"found masks of shape {self.masks.shape} on HU of {self.hu.shape}")
        if not self.masks.any():
            raise ValueError("found no reader who marked a voxel, expected a lesion")

    @property
    def readers(self) -> list[int]:
        """Those who marked something."""
        return [i for i, mask in enumerate(self.masks) if mask.any()]


def keep(lesion: AnnotatedLesion, path: Path) -> None:
    """Write a lesion to a file: whole or not at all, also if the power fails."""
    beyond = np.zeros((0, *lesion.hu.shape[1:]), np.int16)
    write_arrays(
        path,
        _FORMAT,
        patient=lesion.patient,
        name=lesion.name,
        hu=lesion.hu,
        masks=np.packbits(lesion.masks, axis=-1),
        spacing=np.asarray(lesion.spacing, np.float64),
        beyond=beyond if lesion.beyond is None else lesion.beyond,
    )


def kept(path: Path) -> AnnotatedLesion:
    """Read a lesion that `keep` wrote.

    Raises
    ------
    ValueError
        If the file is of another format.
    """
    with read_arrays(path, _FORMAT) as file:
        hu = file["hu"]
        return AnnotatedLesion(
            str(file["patient"]),
            str(file["name"]),
            hu,
            np.unpackbits(file["masks"], axis=-1, count=hu.shape[-1]).astype(bool),
            tuple(float(s) for s in file["spacing"]),
            file["beyond"] if len(file["beyond"]) else None,
        )


class Named(Protocol):
    """A thing of one lesion."""

    @property
    def patient(self) -> str:
        """Of a research data set."""

    @property
    def name(self) -> str:
        """Of the lesion, among the patient's."""


Item = TypeVar("Item", bound=Named)


def file_stem(name: str) -> str:
    """Name of a lesion's file without its ending, from ``patient/name``."""
    return name.replace("/", "_")


def cached(
    folder: Path,
    names: Iterable[str],
    make: Callable[[list[str]], Iterator[Item]],
    write: Callable[[Item, Path], None] = keep,
) -> list[Path]:
    """Files of lesions in a folder, those that are missing made first.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    names : iterable of str
        One a lesion: ``patient/name``, or its `file_stem`.
    make : callable
        Makes the lesions of the given names; stopped half way, the next call goes on from there.
    write : callable
        Writes one to a file: whole or not at all.

    Returns
    -------
    list of Path
        In the order of `names`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{file_stem(name)}.npz" for name in names}
    missing = [name for name, path in files.items() if not path.exists()]
    if missing:
        expected = {file_stem(name): files[name] for name in missing}
        for item in make(missing):
            write(item, expected[file_stem(f"{item.patient}/{item.name}")])
    return list(files.values())
