"""DeepLesion: rows of `DL_info.csv`, slices as 16-bit PNG.

The data set (Yan et al., J Med Imaging 5, 036501, 2018) does not say from where its pixel
coordinates count. If whole numbers are taken for pixel centres, ellipses in the boxes of 29 key
slices fit the images best when they are moved by -0.56 pixel, standard error 0.14. So it is likely
that they count as in DICOM, from the outer corner of the first pixel, and they are read so.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.plain_number import number
from pipelines.recist import RecistAxes, line

HU_OFFSET = 32768
"""What the PNG slices hold above the HU."""

_FILE_NAME = re.compile(r"([0-9]{6}_[0-9]{2}_[0-9]{2})_([0-9]{3})\.png", re.ASCII)
_COLUMNS = (
    "File_name",
    "Key_slice_index",
    "Measurement_coordinates",
    "Slice_range",
    "Spacing_mm_px_",
    "Image_size",
)


class UnreadableSlices(ValueError):
    """The PNG slices of a row are not all there, or not what the row says."""


class UnreadableRow(ValueError):
    """What a row lacks to be a mark, or a file to be such a table."""


@dataclass(frozen=True, eq=False)
class DeepLesionRow:
    """One lesion of `DL_info.csv`.

    Attributes
    ----------
    series : str
        Patient, study and series, such as ``000021_01_01``; also the folder of the slices.
    key_slice : int
        Number of the slice that the mark was drawn on.
    first_slice, last_slice : int
        The slices that the data set holds around it.
    spacing : tuple of 3 float
        Distance of columns, of rows and of slices in mm.
    columns, rows : int
        Size of a slice in pixels.
    long_axis, short_axis : ndarray, shape (2, 2), float64
        End points (column, row) in pixels from the outer corner of the first pixel. In a few rows
        the second is the longer one.
    stated_mm : tuple of 2 float or None
        Lengths of both that the table states in pixels, in mm; None where it states none or
        pixels are not square.
    lesion_type : int or None
        `Coarse_lesion_type`, 1 to 8; 5 is lung. None where the table states none.
    """

    series: str
    key_slice: int
    first_slice: int
    last_slice: int
    spacing: tuple[float, float, float]
    columns: int
    rows: int
    long_axis: npt.NDArray[np.float64]
    short_axis: npt.NDArray[np.float64]
    stated_mm: tuple[float | None, float | None] = (None, None)
    lesion_type: int | None = None

    @property
    def axes(self) -> RecistAxes:
        """The mark in LPS mm, in the volume of `read_volume`."""
        z = (self.key_slice - self.first_slice) * self.spacing[2]
        scale = np.array(self.spacing[:2])
        return RecistAxes(
            *(
                np.column_stack([(axis - 0.5) * scale, np.full(2, z)])
                for axis in (self.long_axis, self.short_axis)
            )
        )


def iter_lesions(
    lines: Iterable[str],
) -> Iterator[tuple[int, DeepLesionRow | UnreadableRow]]:
    """Read a `DL_info.csv`, or a part of one, row by row.

    Parameters
    ----------
    lines : iterable of str
        The header, then the rows, such as an open text file.

    Yields
    ------
    number : int
        Of the row, from 1 below the header; 0 for the table as a whole.
    row : DeepLesionRow or UnreadableRow
        What is wrong with a row that cannot be read, or with a file that is no such table.
    """
    lines = iter(lines)
    names = _cells(next(lines, ""))
    missing = [name for name in _COLUMNS if name not in (names or ())]
    if missing:
        yield 0, UnreadableRow(f"the table has no column {', '.join(missing)}")
        return
    index = 0
    for index, text in enumerate((text for text in lines if text.strip("\r\n")), start=1):
        try:
            cells = _cells(text)
            if cells is None or len(cells) < len(names):
                raise UnreadableRow("the row cannot be parted into its columns")
            yield index, _read_row(dict(zip(names, cells, strict=False)))
        except UnreadableRow as problem:
            yield index, problem
    if not index:
        yield 0, UnreadableRow("the table has no rows")


def _cells(text: str) -> list[str] | None:
    """Cells of one row; None where its quotes do not close: the next cell would join the last."""
    try:
        return next(csv.reader([text], strict=True), None)
    except csv.Error:
        return None


def read_volume(row: DeepLesionRow, folder: Path) -> hd.Volume:
    """Slices of a row as a volume in HU.

    Parameters
    ----------
    row : DeepLesionRow
        Which slices.
    folder : Path
        ``Images_png``, with one folder for each series, with slices such as ``016.png``.

    Returns
    -------
    highdicom.Volume, int16, axes (slice, row, column)
        The centre of the first pixel of the first slice is at 0 mm, slices ascend along z. The
        data set does not say where the volume lay, nor in which direction slices were counted.

    Raises
    ------
    UnreadableSlices
        If a slice is missing, is no 16-bit grey PNG or has another size than the row says.
    """
    numbers = range(row.first_slice, row.last_slice + 1)
    array = np.empty((len(numbers), row.rows, row.columns), dtype=np.int16)
    for index, slice_number in enumerate(numbers):
        array[index] = _read_slice(Path(folder) / row.series / f"{slice_number:03d}.png", row)
    x, y, z = row.spacing
    affine = np.array([[0, 0, x, 0], [0, y, 0, 0], [z, 0, 0, 0], [0, 0, 0, 1]], dtype=np.float64)
    return hd.Volume(array, affine, coordinate_system="PATIENT")


def volume_and_axes(row: DeepLesionRow, folder: Path) -> tuple[hd.Volume, RecistAxes]:
    """What `pipelines.lesion.soft_mask_from_recist` takes.

    Parameters
    ----------
    row, folder
        As for `read_volume`.

    Returns
    -------
    highdicom.Volume, RecistAxes
        CT in HU, and the mark in its patient coordinates.

    Raises
    ------
    UnreadableSlices
        As for `read_volume`.
    """
    return read_volume(row, folder), row.axes


def _read_slice(path: Path, row: DeepLesionRow) -> npt.NDArray[np.int16]:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.mode not in ("I;16", "I;16B", "I") or image.size != (row.columns, row.rows):
                raise UnreadableSlices(
                    f"{path.parent.name}/{path.name}: found {image.mode}, {image.size[0]} x "
                    f"{image.size[1]}, expected 16-bit grey, {row.columns} x {row.rows}"
                )
            values = np.asarray(image).astype(np.int32)
    except (OSError, SyntaxError, Image.DecompressionBombError) as problem:
        # Pillow raises SyntaxError for broken PNG chunks.
        raise UnreadableSlices(
            f"{path.parent.name}/{path.name} is not there or no readable PNG"
        ) from problem
    return (values - HU_OFFSET).astype(np.int16)


def _read_row(fields: dict[str, str | None]) -> DeepLesionRow:
    name = _FILE_NAME.fullmatch((fields["File_name"] or "").strip())
    if name is None:
        raise UnreadableRow("File_name is not of the form 000001_01_01_001.png")
    (key,) = _numbers(fields, "Key_slice_index", 1)
    if key != int(name[2]):
        raise UnreadableRow(f"Key_slice_index is {key:g}, File_name has {int(name[2])}")
    first, last = _numbers(fields, "Slice_range", 2)
    if not (first.is_integer() and last.is_integer() and 0 <= first <= key <= last < 1000):
        raise UnreadableRow(f"Slice_range is {first:g} to {last:g}, the key slice {key:g}")
    spacing = tuple(_numbers(fields, "Spacing_mm_px_", 3))
    if not all(0.01 <= step <= 100 for step in spacing):
        raise UnreadableRow("Spacing_mm_px_ is not 0.01 to 100 mm")
    size = _numbers(fields, "Image_size", 2)
    if not all(side.is_integer() and 1 <= side <= 4096 for side in size):
        raise UnreadableRow("Image_size is not 1 to 4096 whole pixels")
    points = np.array(_numbers(fields, "Measurement_coordinates", 8)).reshape(2, 2, 2)
    if points.min() < 0 or (points > np.array(size)).any():
        raise UnreadableRow("a point of Measurement_coordinates is outside the image")
    if (points[:, 0] == points[:, 1]).all(axis=1).any():
        raise UnreadableRow("an axis of Measurement_coordinates has no length")
    return DeepLesionRow(
        series=name[1],
        key_slice=int(key),
        first_slice=int(first),
        last_slice=int(last),
        spacing=spacing,
        columns=int(size[0]),
        rows=int(size[1]),
        long_axis=line("long_axis", points[0], (2,)),
        short_axis=line("short_axis", points[1], (2,)),
        stated_mm=_stated_mm(fields, spacing),
        lesion_type=_lesion_type(fields),
    )


def _lesion_type(fields: dict[str, str | None]) -> int | None:
    value = number(fields.get("Coarse_lesion_type"))
    return int(value) if value in range(1, 9) else None


def _stated_mm(
    fields: dict[str, str | None], spacing: tuple[float, ...]
) -> tuple[float | None, float | None]:
    texts = (fields.get("Lesion_diameters_Pixel_") or "").split(",")
    values = [number(text) for text in texts[:2]]
    if len(values) != 2 or any(v is None or v <= 0 for v in values) or spacing[0] != spacing[1]:
        return None, None
    return values[0] * spacing[0], values[1] * spacing[0]


def _numbers(fields: dict[str, str | None], name: str, count: int) -> list[float]:
    texts = (fields[name] or "").split(",")[: count + 1]
    values = [number(text) for text in texts]
    if len(values) != count or None in values:
        raise UnreadableRow(f"{name} is not {count} numbers")
    return values
