"""The voxels of one case: CT and candidates on one lattice, in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import highdicom as hd
import numpy as np
import numpy.typing as npt

MARGIN_MM = 30.0
"""CT around what the candidates hold."""

_FORMAT = 1
_EDGE_MM = 2.0
"""Around the box of all candidates, which is the same for each, and tells nothing of any."""
_DIRECTIONS = "HPL"
_INT16 = np.iinfo(np.int16)


class UnusableCandidates(ValueError):
    """The candidates of a case cannot be shown beside one another; says why."""


@dataclass(frozen=True, eq=False)
class CaseVoxels:
    """What readers see of a case.

    All arrays have the axes (towards the head, the back, the patient's left): permuted and flipped,
    never resampled.

    Attributes
    ----------
    hu : ndarray of int16
    alpha : ndarray of uint8, axes (candidate, head, back, left)
        In 255 parts, in the order of the study's candidates, all on the same box.
    offset : tuple of int
        Index in `hu` of the first voxel of `alpha`.
    spacing : tuple of float
        mm.
    start : tuple of float
        Where one looks first, as an index of `alpha`: the middle of all candidates.
    """

    hu: npt.NDArray[np.int16]
    alpha: npt.NDArray[np.uint8]
    offset: tuple[int, int, int]
    spacing: tuple[float, float, float]
    start: tuple[int, int, int]

    def save(self, file: BinaryIO) -> None:
        """Write it as one compressed archive, without pickles."""
        np.savez_compressed(
            file,
            format=np.array(_FORMAT),
            hu=self.hu,
            alpha=self.alpha,
            offset=np.array(self.offset),
            spacing=np.array(self.spacing),
            start=np.array(self.start),
        )

    @classmethod
    def load(cls, path: Path) -> CaseVoxels:
        """Read what `save` wrote.

        Raises
        ------
        OSError
            If it cannot be read, or is another file.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                if int(archive["format"]) != _FORMAT:
                    raise OSError(f"found a case of format {int(archive['format'])}")
                return cls(
                    archive["hu"],
                    archive["alpha"],
                    tuple(int(n) for n in archive["offset"]),
                    tuple(float(s) for s in archive["spacing"]),
                    tuple(int(n) for n in archive["start"]),
                )
        except (ValueError, KeyError) as error:
            raise OSError(f"the file of a case is damaged ({type(error).__name__})") from None

    def in_order(self, order: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Candidates as one reader sees them."""
        return self.alpha[list(order)]


def case_voxels(
    ct: hd.Volume, candidates: Sequence[npt.NDArray[np.floating]], outline_level: float | None
) -> CaseVoxels:
    """Cut what is shown out of a CT.

    Parameters
    ----------
    ct : highdicom.Volume, axes (slice, row, column)
        HU.
    candidates : sequence of ndarray, shape of the CT
        Alpha from 0 to 1.
    outline_level : float or None
        Where only outlines are shown: voxels of at least so much alpha are kept as 1, all others as
        0. What a browser gets then does not tell a soft mask from any other.

    Raises
    ------
    UnusableCandidates
        If one is empty, so that it would tell who it is, or has another shape.
    """
    alpha = np.stack([_shown(one, ct, outline_level) for one in candidates])
    empty = [index for index, one in enumerate(alpha) if not one.any()]
    if empty:
        raise UnusableCandidates(
            f"candidate {empty[0] + 1} holds no voxel, expected a mask of the lesion"
        )
    hu = np.clip(np.rint(ct.array), _INT16.min, _INT16.max).astype(np.int16)
    home = ct.with_array(hu).to_patient_orientation(_DIRECTIONS)
    turned = np.stack(
        [ct.with_array(one).to_patient_orientation(_DIRECTIONS).array for one in alpha]
    )
    spacing = tuple(float(s) for s in home.spacing)
    inner = _box(turned.any(axis=0), spacing, _EDGE_MM)
    outer = _box(turned.any(axis=0), spacing, MARGIN_MM)
    shown = turned[(slice(None), *inner)]
    middle = np.argwhere(shown.max(axis=0) >= shown.max() / 2).mean(axis=0)
    return CaseVoxels(
        np.ascontiguousarray(home.array[outer]),
        np.ascontiguousarray(shown),
        tuple(i.start - o.start for i, o in zip(inner, outer, strict=True)),
        spacing,
        tuple(int(p) for p in np.rint(middle)),
    )


def _shown(
    candidate: npt.NDArray[np.floating], ct: hd.Volume, outline_level: float | None
) -> npt.NDArray[np.uint8]:
    if candidate.shape != tuple(ct.spatial_shape):
        raise UnusableCandidates(
            f"found a candidate of shape {candidate.shape} on a CT of {tuple(ct.spatial_shape)}"
        )
    if outline_level is not None:
        return np.where(candidate >= outline_level, 255, 0).astype(np.uint8)
    return np.rint(np.clip(candidate, 0, 1) * 255).astype(np.uint8)


def _box(
    there: npt.NDArray[np.bool_], spacing: Sequence[float], more_mm: float
) -> tuple[slice, slice, slice]:
    found = []
    for axis, step in enumerate(spacing):
        (held,) = there.any(axis=tuple(a for a in range(3) if a != axis)).nonzero()
        more = int(np.ceil(more_mm / step))
        first, last = max(int(held[0]) - more, 0), min(int(held[-1]) + more + 1, there.shape[axis])
        found.append(slice(first, last))
    return tuple(found)
