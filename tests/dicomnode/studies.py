"""Small synthetic studies: a box of lung with round nodules, and the report that marks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from dicomnode.deliver.answer import Answer
from dicomnode.deliver.store_scu import Parcel, send
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.results import derive_uid
from dicomnode.settings import DicomDestination
from pipelines.recist import RecistAxes

SPACING = (2.0, 0.8, 0.8)
SHAPE = (24, 64, 64)


@dataclass(frozen=True, eq=False)
class Study:
    """CT slices, and the report on them."""

    ct: list[Dataset]
    report: Dataset
    volume: hd.Volume
    axes: tuple[RecistAxes, ...]
    seed: str = ""


def study(
    seed: str,
    centres: Sequence[tuple[float, float, float]] = ((12, 32, 32),),
    diameter_mm: float = 12.0,
    overrides: dict | None = None,
) -> Study:
    """Make a study with a solid ball of `diameter_mm` at each centre (indices)."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1)
    hu = np.full(SHAPE, -860.0)
    for centre in centres:
        distance = np.linalg.norm((grid - centre) * SPACING, axis=-1)
        hu += (40 + 860) * np.clip((diameter_mm / 2 - distance) / 0.8 + 0.5, 0, 1)
    hu += np.random.default_rng(0).normal(0, 15, SHAPE)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[:3, :3] = np.array([[0, 0, 0.8], [0, 0.8, 0], [2.0, 0, 0]])
    affine[:3, 3] = (-25.0, -30.0, 100.0)
    volume = hd.Volume(
        np.rint(hu).astype(np.int16),
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=derive_uid("test", seed),
    )
    sound = ct_series(volume, CtSeriesDescription(seed=seed))
    axes = tuple(_axes(volume, centre, diameter_mm) for centre in centres)
    marks = [DrawnMark(a, f"lesion {i}") for i, a in enumerate(axes)]
    # The report is drawn on the sound series: what is wrong with the CT is the node's to find out.
    report = recist_report(marks, sound, seed)
    return Study(
        ct_series(volume, CtSeriesDescription(seed=seed), overrides), report, volume, axes, seed
    )


def _axes(volume: hd.Volume, centre: Sequence[float], diameter_mm: float) -> RecistAxes:
    middle = volume.map_indices_to_reference(np.array([centre], dtype=np.float64))[0]
    across, down = np.eye(3)[:2] * diameter_mm / 2
    return RecistAxes(
        np.array([middle - across, middle + across]), np.array([middle - down, middle + down])
    )


def save(datasets: Sequence[Dataset], folder: Path) -> list[Parcel]:
    """Write objects as files, to be sent."""
    folder.mkdir(parents=True, exist_ok=True)
    parcels = []
    for number, dataset in enumerate(datasets):
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        parcels.append(Parcel(number, str(dataset.SOPClassUID), path))
    return parcels


def send_to(
    port: int,
    datasets: Sequence[Dataset],
    folder: Path,
    calling: str = "SENDER",
    called: str = "DICOMNODE",
) -> list[Answer]:
    """Send objects to a node on loopback and give its answers."""
    node = DicomDestination(name="node", ae_title=called, host="127.0.0.1", port=port)
    return [answer for _, answer in send(save(datasets, folder), node, calling)]
