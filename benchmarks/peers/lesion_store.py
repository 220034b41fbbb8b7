"""A store with one segmented lesion, as the node leaves it, made without a node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.marks import read_marks
from dicomnode.marks.lesion_mark import lesions_of
from dicomnode.marks.serialised import to_json
from dicomnode.receive.folder import find_instance
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import InstanceState, LesionState
from dicomnode.store.tables import Instance, Lesion
from pipelines.longest_axes import axes_from_mask
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN, SoftMask


@dataclass(frozen=True, eq=False)
class LesionStore:
    """The database and all that its rows name.

    Attributes
    ----------
    database : Database
    lesion_id : int
    volume : highdicom.Volume
        HU of the CT.
    mask : SoftMask
    study_instance_uid : str
    """

    database: Database
    lesion_id: int
    volume: hd.Volume
    mask: SoftMask
    study_instance_uid: str


def lesion_store(
    folder: Path,
    *,
    shape: tuple[int, int, int] = (36, 96, 88),
    spacing: tuple[float, float, float] = (2.5, 0.75, 0.7),
    radii_mm: tuple[float, float, float] = (14.0, 9.0, 7.0),
    directions: str = "HPL",
) -> LesionStore:
    """Make a CT with an egg in lung, report on it, and keep its soft mask.

    The egg is another one from each side, and lies aside of the middle: a plane that is mirrored
    or turned shows.

    Parameters
    ----------
    folder : Path
        Empty; gets everything.
    shape : tuple of int
        (slices, rows, columns).
    spacing, radii_mm : tuple of float
        Along (slice, row, column), mm.
    directions : str
        Where slices, rows and columns run, such as "HPL" for the axial CT of somebody who lies on
        the back.
    """
    volume, alpha, box = _egg(shape, spacing, radii_mm, directions)
    ct = ct_series(volume, CtSeriesDescription(seed="lesion page"))
    inside = alpha >= 0.5
    key = int(inside.sum(axis=(1, 2)).argmax())
    found = axes_from_mask(inside, volume.get_geometry())
    report = recist_report([DrawnMark(found, "egg")], ct, "lesion page")
    database = Database(f"sqlite:///{folder / 'node.sqlite'}")
    database.upgrade()
    index = InstanceIndex(database, CT_CLASSES)
    (folder / "instances").mkdir()
    for dataset in (*ct, report):
        path = folder / "instances" / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        index.add(find_instance(path).received)
    crop = volume[box]
    trimap = np.where(alpha == 1, FOREGROUND, np.where(alpha > 0, UNKNOWN, BACKGROUND))
    mask = SoftMask(
        crop.with_array(alpha[box]),
        crop.with_array(trimap[box].astype(np.uint8)),
        method="closed-form",
        offset=tuple(s.start for s in box),
        warnings=("the egg is drawn, not computed",),
    )
    (folder / "soft_masks").mkdir()
    soft_mask = folder / "soft_masks" / "egg.npz"
    with soft_mask.open("wb") as file:
        mask.save(file)
    (mark,) = lesions_of(read_marks(report))
    with database.write() as session:
        held = session.get_one(Instance, str(report.SOPInstanceUID))
        held.state = InstanceState.EXAMINED
        lesion = Lesion(
            mark_key=mark.key,
            mark=to_json(mark),
            source_sop_instance_uid=str(report.SOPInstanceUID),
            key_sop_instance_uid=str(ct[key].SOPInstanceUID),
            frame_of_reference_uid=str(ct[0].FrameOfReferenceUID),
            study_instance_uid=str(ct[0].StudyInstanceUID),
            series_instance_uid=str(ct[0].SeriesInstanceUID),
            slices=[str(image.SOPInstanceUID) for image in ct],
            long_axis=found.long_axis.tolist(),
            short_axis=found.short_axis.tolist(),
            rule="all",
            method=mask.method,
            parameters={},
            destinations=[],
            state=LesionState.PUBLISHED,
            warnings=list(mask.warnings),
            soft_mask_path=str(soft_mask),
            volume_ml=mask.volume_ml,
            seconds=0.1,
        )
        session.add(lesion)
        session.flush()
        number = lesion.id
    return LesionStore(database, number, volume, mask, str(ct[0].StudyInstanceUID))


def _egg(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    radii_mm: tuple[float, float, float],
    directions: str,
) -> tuple[hd.Volume, np.ndarray, tuple[slice, slice, slice]]:
    """HU, alpha on the same grid, and the box of the soft mask."""
    centre = [n * part for n, part in zip(shape, (0.45, 0.55, 0.42), strict=True)]
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    away = (grid - centre) * spacing
    # Thicker to one side along each axis.
    lean = 1 + 0.25 * np.tanh(away / radii_mm).sum(axis=-1) / 3
    depth = (lean - np.linalg.norm(away / radii_mm, axis=-1)) * min(radii_mm)
    alpha = np.clip(depth / 4 + 0.5, 0, 1).astype(np.float32)
    noise = np.random.default_rng(8).normal(0, 12, shape)
    ramp = (grid / shape * (80, 160, 120)).sum(axis=-1)
    hu = (1 - alpha) * (-880 + ramp) + alpha * 40 + noise
    turned = hd.Volume.from_components(
        np.rint(hu).astype(np.int16),
        spacing=spacing,
        coordinate_system="PATIENT",
        position=(-40.0, -30.0, 120.0),
        patient_orientation=directions,
        frame_of_reference_uid=hd.UID(),
    )
    held = np.argwhere(alpha > 0)
    first, last = np.maximum(held.min(axis=0) - 3, 0), held.max(axis=0) + 4
    return turned, alpha, tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
