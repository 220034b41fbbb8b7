"""LIDC-IDRI nodules that four readers outlined, from slices of 128 x 128 pixels.

A folder holds `index.csv` and `lidc_slices_4readers.tar.xz`: PNG slices with one mask a reader,
made from LIDC-IDRI (Armato et al., Medical Physics 2011; CC BY 3.0). Patients are split by a hash
of their name, so that the split is the same for whoever makes it.
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.dataset.annotated import AnnotatedLesion, cached
from pipelines.dataset.beyond_ends import beyond_ends

SPLITS = ("train", "validation", "report")
"""`report` is for numbers that are published: nothing is trained, tuned or looked at there."""

READERS = 4
LUNG_HU, TISSUE_HU, AIR_HU = -860.0, 40.0, -1000.0


def split_of(patient: str) -> str:
    """One of `SPLITS`: half of the patients report, a tenth validate."""
    digest = hashlib.sha256(patient.encode()).digest()
    if digest[0] % 2:
        return "report"
    return "train" if digest[1] % 5 else "validation"


def calibrate(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """HU of a nodule's 8-bit slices, which were stretched between minimum and maximum.

    The minimum is about -1000 HU. The scale comes from the soft tissue peak (40 HU) where the crop
    holds enough of it, else from the peak of lung (-860 HU).
    """
    counts = np.bincount(grey.ravel(), minlength=256).astype(float)
    smooth = np.convolve(counts, np.ones(5) / 5, "same")
    tissue = 60 + int(smooth[60:220].argmax())
    lung = 3 + int(smooth[3:60].argmax())
    if counts[tissue - 8 : tissue + 9].sum() > 0.08 * counts.sum():
        scale = (TISSUE_HU - AIR_HU) / tissue
    else:
        scale = (LUNG_HU - AIR_HU) / max(lung, 9)
    return AIR_HU + scale * grey.astype(np.float32)


Slices = dict[str, list[dict[str, str]]]
"""Rows of the index, in the order of their z, by ``patient/nodule``."""


def slices_of(folder: Path, split: str) -> Slices:
    """What the index lists for one split, in the order of names.

    Nodules with a slice whose position is not known are left out: they would have gaps.

    Raises
    ------
    ValueError
        If the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f"found the split {split!r}, expected one of {', '.join(SPLITS)}")
    rows: Slices = {}
    with open(folder / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            if split_of(row["patient"]) == split:
                rows.setdefault(f"{row['patient']}/{row['nodule']}", []).append(row)
    whole = {name: found for name, found in rows.items() if all(row["z_mm"] for row in found)}
    return {
        name: sorted(found, key=lambda row: float(row["z_mm"]))
        for name, found in sorted(whole.items())
    }


def _read(folder: Path, slices: Slices) -> Iterator[AnnotatedLesion]:
    """Nodules in the order in which the archive has them whole."""
    parts = ("images", *(f"mask-{reader}" for reader in range(READERS)))
    images: dict[str, dict[str, npt.NDArray[np.uint8]]] = {name: {} for name in slices}
    with tarfile.open(folder / "lidc_slices_4readers.tar.xz", "r|xz") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            name = "/".join(path.split("/")[:2])
            if not member.isfile() or name not in slices:
                continue
            with Image.open(archive.extractfile(member)) as image:
                images[name][path.removeprefix(name + "/")] = np.asarray(image.convert("L"))
            if len(images[name]) == len(parts) * len(slices[name]):
                yield _nodule(name, slices[name], images.pop(name))


def _nodule(
    name: str, rows: list[dict[str, str]], images: dict[str, npt.NDArray[np.uint8]]
) -> AnnotatedLesion:
    def stack(part: str) -> npt.NDArray[np.uint8]:
        return np.stack([images[f"{part}/slice-{row['slice']}.png"] for row in rows])

    masks = np.stack([stack(f"mask-{reader}") > 127 for reader in range(READERS)])
    hu = np.rint(np.clip(calibrate(stack("images")), -1024, 3071)).astype(np.int16)
    patient, nodule = name.split("/")
    pixel = float(rows[0]["px_mm"])
    spacing = (float(rows[0]["dz_mm"]), pixel, pixel)
    return AnnotatedLesion(patient, nodule, hu, masks, spacing, beyond_ends(hu, masks))


def lidc_nodules(folder: Path, cache: Path, split: str) -> list[Path]:
    """Files of one split's nodules, for `pipelines.dataset.annotated.kept`.

    Parameters
    ----------
    folder : Path
        Of the index and the archive.
    cache : Path
        Where the files are kept; what is there is not made again.
    split : str
        One of `SPLITS`.

    Raises
    ------
    ValueError
        If the split is unknown.
    """
    slices = slices_of(folder, split)
    return cached(
        cache, slices, lambda names: _read(folder, {name: slices[name] for name in names})
    )
