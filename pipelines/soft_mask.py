"""What the pipelines give back: a soft mask on a crop of the CT's own grid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import highdicom as hd
import numpy as np

BACKGROUND, UNKNOWN, FOREGROUND = 0, 1, 2
"""Values of a trimap (uint8)."""

MENDED_BY_HAND = "its trimap was mended by hand"
"""Among the warnings of a soft mask that came of what a reader painted."""

Parameter = float | int | str | bool

READERS_LEVEL = 0.35
"""Occupancy at which readers draw: fitted on the tuning half of `benchmarks/lidc.py` (every
other nodule; 0.35 and 0.4 are equally good there). Half of a voxel is lesion at 0.5."""

QUANTITIES = ("occupancy", "probability", "density-weighted")
"""What alpha can say of a voxel."""


@dataclass(frozen=True, eq=False)
class SoftMask:
    """The alpha matte of one lesion.

    Attributes
    ----------
    alpha : highdicom.Volume, float32, axes (slice, row, column)
        In [0, 1], on a crop of the CT's grid; see `quantity`.
    trimap : highdicom.Volume, uint8
        `BACKGROUND`, `UNKNOWN` or `FOREGROUND`, on the same grid.
    method : str
        Name in `pipelines.matting.METHODS` or `models.REGISTRY`.
    parameters : Mapping
        Everything that, beside the voxels and the mark, decides the result.
    offset : tuple of int
        Indices (slice, row, column) of the crop's first voxel in the volume it was computed from.
    warnings : tuple of str
        What a reader should know of this result, without patient data.
    quantity : str
        "occupancy": alpha is the proportion of the voxel that is lesion, and its sum is a volume.
        "probability": alpha is the share of readers who would mark the voxel, and its sum is the
        mean of their volumes.
        "density-weighted": the foreground's alpha comes from its HU (Wang et al., 3D Matting,
        journal version, eq. 28); its sum is no volume.

    Raises
    ------
    ValueError
        If grids differ, alpha leaves [0, 1] or is not finite, or the quantity is unknown.
    """

    alpha: hd.Volume
    trimap: hd.Volume
    method: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    offset: tuple[int, int, int] = (0, 0, 0)
    warnings: tuple[str, ...] = ()
    quantity: str = "occupancy"

    def __post_init__(self) -> None:
        if self.quantity not in QUANTITIES:
            raise ValueError(f"found quantity {self.quantity!r}, expected one of {QUANTITIES}")
        alpha, trimap = self.alpha.array, self.trimap.array
        if alpha.shape != trimap.shape or not np.allclose(self.alpha.affine, self.trimap.affine):
            raise ValueError(
                f"alpha {alpha.shape} and trimap {trimap.shape} are not on the same grid"
            )
        if alpha.dtype != np.float32 or trimap.dtype != np.uint8:
            raise ValueError(f"found {alpha.dtype} and {trimap.dtype}, expected float32 and uint8")
        if not (np.isfinite(alpha).all() and alpha.min() >= 0 and alpha.max() <= 1):
            raise ValueError("alpha leaves [0, 1]")

    @property
    def sums_to_volume(self) -> bool:
        """Whether the sum of alpha is a volume."""
        return self.quantity != "density-weighted"

    @property
    def volume_ml(self) -> float | None:
        """Soft volume in ml: the sum of alpha times the volume of a voxel.

        None for a density-weighted mask, the sum of which is no volume.
        """
        if not self.sums_to_volume:
            return None
        return float(self.alpha.array.sum(dtype=np.float64) * self.alpha.voxel_volume / 1000)

    def save(self, file: BinaryIO) -> None:
        """Write everything to `file` as one compressed npz archive, without pickles."""
        about = {
            "method": self.method,
            "parameters": dict(self.parameters),
            "offset": list(self.offset),
            "warnings": list(self.warnings),
            "frame_of_reference_uid": self.alpha.frame_of_reference_uid,
            "quantity": self.quantity,
        }
        np.savez_compressed(
            file,
            alpha=self.alpha.array,
            trimap=self.trimap.array,
            affine=self.alpha.affine,
            about=np.array(json.dumps(about)),
        )

    @classmethod
    def load(cls, path: Path | BinaryIO) -> SoftMask:
        """Read what `save` wrote; a file that names no quantity holds occupancy."""
        with np.load(path, allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))

            def volume(array: np.ndarray) -> hd.Volume:
                return hd.Volume(
                    array,
                    archive["affine"],
                    coordinate_system="PATIENT",
                    frame_of_reference_uid=about["frame_of_reference_uid"],
                )

            return cls(
                alpha=volume(archive["alpha"]),
                trimap=volume(archive["trimap"]),
                method=about["method"],
                parameters=about["parameters"],
                offset=tuple(about["offset"]),
                warnings=tuple(about["warnings"]),
                quantity=about.get("quantity", "occupancy"),
            )
