"""Crops of 64 x 64 pixels about RECIST marks, with masks that no one drew.

You et al., the DSNet papers, label lung nodules of DeepLesion so (their set LNSM, which they did
not publish). They make trimaps in three ways: from one mask by erosion and dilation
(`pipelines.trimap.trimap_from_mask`), from several readers' masks (`trimap_from_masks`), and from a
RECIST mark, from which GrabCut makes a mask that is then eroded and dilated. Here it is the third,
with this package's GrabCut and distances in mm; then closed-form matting, cut at one half.

These labels are what the pipeline says, not what a reader drew: a network that learns them can at
best repeat it. Nobody looked through the crops, as the papers' authors may have done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.dataset.annotated import cached
from pipelines.dataset.whole_file import read_arrays, write_arrays
from pipelines.deeplesion import DeepLesionRow, UnreadableRow, UnreadableSlices, iter_lesions
from pipelines.deeplesion import read_volume as read_png_slices
from pipelines.errors import SegmentationError
from pipelines.grabcut import grabcut
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.lesion import crop_around, hounsfield
from pipelines.matting import METHODS
from pipelines.parameters import DEFAULT_PARAMETERS
from pipelines.trimap import trimap_from_mask

SIDE = 64
LUNG = 5
"""`DeepLesionRow.lesion_type` of the nodules that the papers took."""

JPEG_HU = (-1024, 16)
"""HU of grey level 0 and of a step, of key slices that were shared as JPEG of 8 bits: for tests."""

_FORMAT = 1


class UnusableCropError(ValueError):
    """A mark about which there is no crop."""


@dataclass(frozen=True, eq=False)
class LnsmCrop:
    """One lesion on its key slice.

    Attributes
    ----------
    patient, name : str
        Patient's number in the data set; study, series, slice and row of the table.
    hu : ndarray of int16, shape (64, 64), axes (row, column)
    mask : ndarray of bool, same shape
        GrabCut's, from the mark.
    alpha : ndarray of uint8, same shape
        Closed-form matte from the mask's trimap; 255 is one. From 128 on it is the papers' mask.
    long_axis, short_axis : ndarray, shape (2, 2), float64
        End points (column, row) in pixels of the crop, from the outer corner of the first pixel.
    spacing : tuple of 2 float
        Distance of rows and of columns in mm.
    """

    patient: str
    name: str
    hu: npt.NDArray[np.int16]
    mask: npt.NDArray[np.bool_]
    alpha: npt.NDArray[np.uint8]
    long_axis: npt.NDArray[np.float64]
    short_axis: npt.NDArray[np.float64]
    spacing: tuple[float, float]


@dataclass(frozen=True)
class LnsmCrops:
    """What was made of a table.

    Attributes
    ----------
    files : tuple of Path
        For `kept_crop`.
    left_out : tuple of (str, str)
        Rows of which no crop was made, and why.
    """

    files: tuple[Path, ...]
    left_out: tuple[tuple[str, str], ...]


def lnsm_crop(row: DeepLesionRow, key_slice: npt.NDArray, name: str) -> LnsmCrop:
    """Label the lesion of a row on its key slice.

    Parameters
    ----------
    row : DeepLesionRow
    key_slice : ndarray, shape (rows, columns)
        HU.
    name : str
        Of the crop, among the patient's.

    Raises
    ------
    UnusableCropError
        If the lesion does not fit into the crop.
    SegmentationError
        If the pipeline refuses the mark.
    """
    ends = np.concatenate([row.long_axis, row.short_axis])
    # Outer corners count from 0, pixel centres from one half.
    begin = np.rint((ends.min(axis=0) + ends.max(axis=0)) / 2 - SIDE / 2).astype(int)
    begin = np.clip(begin, 0, np.array([row.columns, row.rows]) - SIDE)
    if (begin < 0).any() or (ends < begin).any() or (ends > begin + SIDE).any():
        raise UnusableCropError(f"the mark does not fit into {SIDE} x {SIDE} pixels of its slice")
    box = (slice(begin[1], begin[1] + SIDE), slice(begin[0], begin[0] + SIDE))
    spacing = (row.spacing[1], row.spacing[0])
    mask, alpha = _labelled(row, key_slice, spacing)
    if mask.sum() != mask[box].sum():
        raise UnusableCropError(f"the lesion does not fit into {SIDE} x {SIDE} pixels")
    return LnsmCrop(
        row.series[:6],
        name,
        np.clip(key_slice[box], -1024, 3071).astype(np.int16),
        mask[box],
        np.rint(255 * alpha[box]).astype(np.uint8),
        row.long_axis - begin,
        row.short_axis - begin,
        spacing,
    )


def _labelled(
    row: DeepLesionRow, key_slice: npt.NDArray, spacing: tuple[float, float]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
    """GrabCut's mask and its matte, on the whole slice."""
    x, y, z = row.spacing
    affine = np.array([[0, 0, x, 0], [0, y, 0, 0], [z, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
    volume = hd.Volume(np.asarray(key_slice, np.float32)[None], affine, coordinate_system="PATIENT")
    axes = replace(row, first_slice=row.key_slice, last_slice=row.key_slice).axes
    box, _ = crop_around(volume, axes)
    image = hounsfield(volume[box])
    ellipsoid = RecistEllipsoid.from_axes(axes, volume)
    cut = grabcut(image, (z, *spacing), ellipsoid, tuple(part.start for part in box))
    trimap = trimap_from_mask(
        cut.mask[0],
        spacing,
        inner_mm=float(DEFAULT_PARAMETERS["band_inner_mm"]),
        outer_mm=float(DEFAULT_PARAMETERS["band_outer_mm"]),
    )
    mask = np.zeros(key_slice.shape, bool)
    alpha = np.zeros(key_slice.shape, np.float32)
    mask[box[1:]] = cut.mask[0]
    alpha[box[1:]] = METHODS["closed-form"](image[0], trimap, spacing)
    return mask, alpha


def read_key_slice(row: DeepLesionRow, folder: Path) -> npt.NDArray[np.float32]:
    """HU of the slice on which a mark was drawn.

    Parameters
    ----------
    row : DeepLesionRow
    folder : Path
        ``Images_png`` as the data set has it, ``000021_01_01/016.png`` of 16 bits; or files such as
        ``000021_01_01_016.jpg`` of 8 bits (`JPEG_HU`), which are good for tests only.

    Raises
    ------
    UnreadableSlices
        If it is not there, or not what the row says.
    """
    jpeg = folder / f"{row.series}_{row.key_slice:03d}.jpg"
    if not jpeg.exists():
        alone = replace(row, first_slice=row.key_slice, last_slice=row.key_slice)
        return read_png_slices(alone, folder).array[0].astype(np.float32)
    with Image.open(jpeg, formats=["JPEG"]) as image:
        grey = np.asarray(image.convert("L"), np.float32)
    if grey.shape != (row.rows, row.columns):
        raise UnreadableSlices(
            f"{jpeg.name}: found {grey.shape[1]} x {grey.shape[0]}, "
            f"expected {row.columns} x {row.rows}"
        )
    return JPEG_HU[0] + JPEG_HU[1] * grey


def lnsm_crops(
    table: Iterable[str], images: Path, cache: Path, lesion_type: int | None = LUNG
) -> LnsmCrops:
    """Label all lesions of a table whose key slices are there.

    Parameters
    ----------
    table : iterable of str
        Lines of `DL_info.csv` or of a part of it.
    images : Path
        See `read_key_slice`.
    cache : Path
        Folder of crops; what is there is not made again. Stopped half way, the next call goes on.
    lesion_type : int, optional
        Other types are left out without a word; None takes all.
    """
    rows: dict[str, DeepLesionRow] = {}
    left_out: list[tuple[str, str]] = []
    for index, row in iter_lesions(table):
        if isinstance(row, UnreadableRow):
            left_out.append((f"row {index}", str(row)))
        elif lesion_type is None or row.lesion_type == lesion_type:
            name = f"{row.series[7:]}_{row.key_slice:03d}_row-{index}"
            rows[f"{row.series[:6]}/{name}"] = row

    def make(missing: list[str]) -> Iterator[LnsmCrop]:
        for name in missing:
            row = rows[name]
            try:
                yield lnsm_crop(row, read_key_slice(row, images), name.partition("/")[2])
            except (UnreadableSlices, UnusableCropError, SegmentationError) as problem:
                left_out.append((name, str(problem)))

    files = cached(cache, rows, make, keep_crop)
    return LnsmCrops(tuple(file for file in files if file.exists()), tuple(left_out))


def keep_crop(crop: LnsmCrop, path: Path) -> None:
    """Write a crop to a file: whole or not at all."""
    write_arrays(
        path,
        _FORMAT,
        patient=crop.patient,
        name=crop.name,
        hu=crop.hu,
        mask=crop.mask,
        alpha=crop.alpha,
        axes=np.stack([crop.long_axis, crop.short_axis]),
        spacing=np.asarray(crop.spacing),
    )


def kept_crop(path: Path) -> LnsmCrop:
    """Read a crop that `keep_crop` wrote.

    Raises
    ------
    ValueError
        If the file is of another format.
    """
    with read_arrays(path, _FORMAT) as file:
        return LnsmCrop(
            str(file["patient"]),
            str(file["name"]),
            file["hu"],
            file["mask"],
            file["alpha"],
            *file["axes"],
            tuple(float(v) for v in file["spacing"]),
        )
