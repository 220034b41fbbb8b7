"""Small lesions on synthetic and real CT, of which tests make result objects."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.results import Equipment, LesionResult, MarkSource
from pipelines.measure import measure
from pipelines.soft_mask import SoftMask
from tests.real_data import real

SHAPE = (8, 20, 24)
OFFSET = (2, 5, 6)
EQUIPMENT = Equipment("1.2.3")
MARK = RecistMark(
    np.array([[2.0, 3.0], [9.0, 3.0]]),
    np.array([[5.0, 1.0], [5.0, 6.0]]),
    source_sop_instance_uid="1.2.5",
    item="1.1",
    referenced_sop_instance_uid="1.2.6",
    tracking_id="T1",
    tracking_uid="1.2.7",
    finding=Code("27925004", "SCT", "Nodule"),
    site=Code("39607008", "SCT", "Lung"),
)


def volume(
    rotation=None,
    spacing=(2.0, 0.6, 0.8),
    descending=False,
    position=(-50, -40, 10),
    shape=SHAPE,
) -> hd.Volume:
    """HU of zeros; axes slice, row, column along z, y, x unless rotated."""
    matrix = np.eye(3) if rotation is None else rotation.as_matrix()
    step = -1 if descending else 1
    affine = np.eye(4)
    affine[:3, 0] = matrix[:, 2] * spacing[0] * step
    affine[:3, 1] = matrix[:, 1] * spacing[1]
    affine[:3, 2] = matrix[:, 0] * spacing[2]
    affine[:3, 3] = position
    return hd.Volume(np.zeros(shape, np.int16), affine, coordinate_system="PATIENT")


def soft_mask(ct_volume, alpha, offset=OFFSET) -> SoftMask:
    crop = tuple(slice(o, o + n) for o, n in zip(offset, alpha.shape, strict=True))
    grid = ct_volume[crop]
    return SoftMask(
        grid.with_array(alpha.astype(np.float32)),
        grid.with_array(np.ones(alpha.shape, np.uint8)),
        "closed_form",
        {"epsilon": 1e-5},
        offset,
    )


def random_alpha(seed=0, shape=(4, 7, 9)) -> np.ndarray:
    """Values near 1 everywhere but in an empty first and an empty inner slice."""
    alpha = np.random.default_rng(seed).random(shape).astype(np.float32)
    alpha[:, 0, 0] = 1
    alpha[0] = alpha[2] = 0
    return alpha


def ball_alpha(shape, spacing=(2.0, 0.6, 0.8), radius_mm=5.0, edge_mm=2.0) -> np.ndarray:
    """A ball in the middle of a crop, with an edge that falls off linearly over `edge_mm`."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    away = np.linalg.norm((grid - (np.array(shape) - 1) / 2) * spacing, axis=-1)
    return np.clip((radius_mm - away) / edge_mm + 0.5, 0, 1).astype(np.float32)


def lesion_result(
    mask: SoftMask, ct: Sequence[Dataset], mark: RecistMark | LesionMark = MARK, **changes
) -> LesionResult:
    lesion = mark if isinstance(mark, LesionMark) else LesionMark.of(mark)
    return replace(LesionResult(mask, ct, lesion, measure(mask), "digest", EQUIPMENT), **changes)


def ball_result(
    rotation=None,
    spacing=(2.0, 0.6, 0.8),
    descending=False,
    shape=(6, 33, 41),
    box=(5, 20, 22),
    seed="ball",
    overrides=None,
) -> LesionResult:
    """A ball on a synthetic CT of `shape`, marked with two axes on its middle slice.

    The marks' object is in the study of the CT.
    """
    ct_volume = volume(rotation, spacing, descending, shape=shape)
    ct = ct_series(ct_volume, CtSeriesDescription(seed), overrides)
    offset = tuple((n - m) // 2 for n, m in zip(shape, box, strict=True))
    alpha = ball_alpha(box, spacing, radius_mm=min(5.0, 0.3 * box[1] * spacing[1]))
    row, column = (o + n / 2 for o, n in zip(offset[1:], box[1:], strict=True))
    mark = replace(
        MARK,
        long_axis=np.array([[column - 6, row], [column + 6, row]]),
        short_axis=np.array([[column, row - 7], [column, row + 7]]),
        referenced_sop_instance_uid=ct[offset[0] + box[0] // 2].SOPInstanceUID,
    )
    source = MarkSource("1.2.840.10008.5.1.4.1.1.88.34", "1.2.5", ct[0].StudyInstanceUID, "1.2.50")
    return lesion_result(soft_mask(ct_volume, alpha, offset), ct, mark, mark_sources=(source,))


def file_of(dataset: Dataset) -> io.BytesIO:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return file


def written(seg: Dataset) -> hd.seg.Segmentation:
    """The SEG after a trip through a file."""
    return hd.seg.segread(file_of(seg))


_spacings = st.floats(0.3, 5).map(lambda value: round(value, 4))

volumes = st.builds(
    lambda angles, axial, spacing, descending, position: volume(
        None if axial else Rotation.from_euler("xyz", angles), spacing, descending, position
    ),
    st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    st.booleans(),
    st.tuples(_spacings, _spacings, _spacings),
    st.booleans(),
    st.tuples(*[st.floats(-400, 400)] * 3),
)
"""Grids of SHAPE: axial and oblique, any spacing, ascending and descending."""


def differences(
    found: hd.Volume, values: np.ndarray, ct_volume: hd.Volume, offset=OFFSET
) -> tuple[float, float]:
    """Greatest distance in mm of a voxel from the CT's grid, and greatest difference in value.

    Voxels of `values` that the found volume does not hold count as zero in it.
    """
    array = np.asarray(found.array, dtype=np.float64).reshape(found.spatial_shape)
    expected = np.zeros(ct_volume.spatial_shape)
    box = tuple(slice(o, o + n) for o, n in zip(offset, values.shape, strict=True))
    expected[box] = values
    indices = np.argwhere(np.ones(array.shape, bool))
    points = indices @ found.affine[:3, :3].T + found.affine[:3, 3]
    source = ct_volume.affine
    places = (points - source[:3, 3]) @ np.linalg.inv(source[:3, :3]).T
    nearest = np.rint(places).astype(int)
    off_mm = np.linalg.norm((places - nearest) @ source[:3, :3].T, axis=1).max()
    on_grid = np.zeros(ct_volume.spatial_shape)
    on_grid[tuple(nearest.T)] = array.ravel()
    return float(off_mm), float(np.abs(on_grid - expected).max())


def real_series(folder: str) -> list[Dataset]:
    """CT slices in a folder of real data, without pixels, in order along z; with their paths."""
    headers = [
        pydicom.dcmread(path, stop_before_pixels=True) for path in real(folder).rglob("*.dcm")
    ]
    slices = [h for h in headers if h.Modality == "CT" and "ImagePositionPatient" in h]
    return sorted(slices, key=lambda h: float(h.ImagePositionPatient[2]))


def real_grid(ct: Sequence[Dataset]) -> hd.Volume:
    """The grid of real slices."""
    positions = np.array([s.ImagePositionPatient for s in ct], dtype=float)
    directions = np.array(ct[0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    affine = np.eye(4)
    affine[:3, 0] = (positions[-1] - positions[0]) / (len(ct) - 1)
    affine[:3, 1] = directions[1] * ct[0].PixelSpacing[0]
    affine[:3, 2] = directions[0] * ct[0].PixelSpacing[1]
    affine[:3, 3] = positions[0]
    return hd.Volume(np.zeros((len(ct), ct[0].Rows, ct[0].Columns), np.uint8), affine, "PATIENT")


def real_result(folder: str, box=(2, 40, 30), offset=(1, 50, 60)) -> LesionResult:
    """A ball somewhere on a real CT."""
    ct = real_series(folder)
    grid = real_grid(ct)
    spacing = tuple(float(s) for s in grid.spacing)
    alpha = ball_alpha(box, spacing, radius_mm=0.4 * box[1] * spacing[1])
    return lesion_result(soft_mask(grid, alpha, offset), ct)
