"""What of a lesion is drawn: HU, alpha, trimap and marks on one lattice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomnode.frames import FrameFile, read_headers
from dicomnode.jobs.publish import LesionFiles
from dicomnode.pictures.hu_window import hu_window
from dicomnode.results import Equipment, LesionResult
from dicomnode.results.drawn_marks import drawn_marks
from dicomnode.results.iso_curves import LEVEL_COLOURS
from dicomnode.results.source_frames import stand_in
from dicomnode.version import VERSION
from dicomnode.web.lesion.bundle import bundle
from dicomnode.web.lesion.patient_grid import PatientGrid, PlacedArray
from dicomnode.web.lesion.records import LesionRecord
from dicomnode.web.lesion.surroundings import MARGIN_MM, read_surroundings
from pipelines.measurements import Measurements
from pipelines.soft_mask import SoftMask

ALPHA_MEANS = {
    "occupancy": "part of the voxel that is lesion",
    "probability": "part of readers who would mark the voxel",
    "density-weighted": "weighted by density; its sum is no volume",
}


@dataclass(frozen=True, eq=False)
class DrawnLine:
    """A line of a reader's mark.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        On the lesion's lattice.
    closed : bool
    """

    points: npt.NDArray[np.float64]
    closed: bool


@dataclass(frozen=True, eq=False)
class DrawnLesion:
    """All that is drawn of one lesion.

    Attributes
    ----------
    number : int
        Of the lesion's row.
    digest : str
        SHA-256 of the soft mask's file: a verdict says by it what was looked at.
    mask : SoftMask
    grid : PatientGrid
        The lattice of the others.
    hu : PlacedArray
        int16.
    start : tuple of float
        Where one looks first: the middle of the long axis.
    marks : tuple of DrawnLine
    """

    number: int
    digest: str
    mask: SoftMask
    grid: PatientGrid
    hu: PlacedArray
    start: tuple[float, float, float]
    marks: tuple[DrawnLine, ...]

    @classmethod
    def read(cls, record: LesionRecord) -> DrawnLesion:
        """Read the files of a lesion.

        Raises
        ------
        pipelines.errors.SegmentationError
            If a slice cannot be decoded.
        OSError
            If a file cannot be read.
        """
        content = record.files.soft_mask.read_bytes()
        mask = SoftMask.load(BytesIO(content))
        grid = PatientGrid(mask)
        return cls(
            number=record.lesion.id,
            digest=hashlib.sha256(content).hexdigest(),
            mask=mask,
            grid=grid,
            hu=grid.place(*read_surroundings(record.files, mask, MARGIN_MM)),
            start=_start(record, mask, grid),
            marks=_marks(record.files, mask, grid),
        )

    def window(self) -> tuple[float, float]:
        """HU shown as black and as white at first: lung where there is air around."""
        return hu_window(self.hu.array)

    def bundle(self) -> bytes:
        """Everything as one body for a browser."""
        about = {
            "id": self.number,
            "softMask": self.digest,
            "spacing": self.grid.spacing,
            "sliceAxis": self.grid.slice_axis,
            "start": self.start,
            "window": self.window(),
            "levels": [[level, colour] for level, colour in LEVEL_COLOURS.items()],
            "marks": [
                {"closed": line.closed, "points": np.round(line.points, 3).tolist()}
                for line in self.marks
            ],
            **said_of(self.mask),
        }
        return bundle(about, {"hu": self.hu, **mask_arrays(self.mask, self.grid)})


def whole_slices_bundle(record: LesionRecord) -> bytes:
    """HU of the slices around a lesion out to their edges.

    Raises
    ------
    pipelines.errors.SegmentationError
        If a slice cannot be decoded.
    OSError
        If a file cannot be read.
    """
    mask = SoftMask.load(record.files.soft_mask)
    hu, offset = read_surroundings(record.files, mask, MARGIN_MM, whole_slices=True)
    return bundle({}, {"hu": PatientGrid(mask).place(hu, offset)})


def said_of(mask: SoftMask) -> dict[str, Any]:
    """What is said of a soft mask in words."""
    return {
        "method": mask.method,
        "quantity": mask.quantity,
        "means": ALPHA_MEANS[mask.quantity],
        "volume": mask.volume_ml,
        "warnings": mask.warnings,
    }


def mask_arrays(mask: SoftMask, grid: PatientGrid) -> dict[str, PlacedArray]:
    """Alpha in 255 parts, and the trimap, on a lesion's lattice."""
    return {
        "alpha": grid.place(as_bytes(mask.alpha.array), mask.offset),
        "trimap": grid.place(mask.trimap.array, mask.offset),
    }


def as_bytes(alpha: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Alpha in 255 parts."""
    return np.rint(alpha * np.float32(255)).astype(np.uint8)


def _start(record: LesionRecord, mask: SoftMask, grid: PatientGrid) -> tuple[float, float, float]:
    if record.lesion.long_axis is not None:
        place = grid.points_in_space(record.lesion.long_axis).mean(axis=0)
    else:
        inside = np.argwhere(mask.alpha.array >= mask.alpha.array.max() / 2).mean(axis=0)
        place = grid.points(inside[None] + mask.offset)[0]
    last = np.array(grid.place(mask.trimap.array, mask.offset).array.shape) - 1
    return tuple(np.clip(np.rint(place), 0, last).tolist())


def _marks(files: LesionFiles, mask: SoftMask, grid: PatientGrid) -> tuple[DrawnLine, ...]:
    """Axes and outlines of all readers, each in its slice."""
    headers, stand_ins = stand_in(
        read_headers(files.slices),
        [one.number if isinstance(one, FrameFile) else None for one in files.slices],
    )
    result = LesionResult(
        mask,
        headers,
        files.mark,
        Measurements(),
        configuration_digest="",
        equipment=Equipment(software_version=VERSION),
        stand_ins=stand_ins,
    )
    return tuple(
        DrawnLine(grid.points(_indices(index, points)), closed)
        for index, lines in drawn_marks(result, range(len(headers))).items()
        for points, closed in lines
    )


def _indices(index: int, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(slice, row, column) of points (column, row) that count from a pixel's outer corner."""
    at = np.full(len(points), float(index))
    return np.column_stack([at, points[:, 1] - 0.5, points[:, 0] - 0.5])
