"""Lesions with several readers at 0.5 mm, the 3D matting networks' data set.

Wang et al., 3D Matting (conference and journal version): a transverse crop of 128 x 128 pixels and
3 slices of padding at each end, resampled to 0.5 mm, with the overlap and the union of the readers'
masks. Where a data set holds only slices on which some reader drew, as LIDC's do here, padding is
made up: slices in which the lesion is replaced by its surroundings (`AnnotatedLesion.beyond`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from models.registry import VOLUME
from pipelines.dataset.annotated import AnnotatedLesion, cached, kept
from pipelines.dataset.whole_file import read_arrays, write_arrays
from pipelines.distance import distance_within

CONTRACT = VOLUME
"""What the 3D matting networks are given. The papers name no window: air to soft tissue, as
`recist-net` has it, so that the ground-glass part of a nodule keeps its contrast."""

SPACING_MM = 0.5
CROP = 128
"""Pixels of the transverse crop."""
PADDING_SLICES = 3

_FORMAT = 1
_REACH_MM = 6.0
"""Signed distances are cut off here: no two slices are farther apart."""
_FULL = 255


@dataclass(frozen=True, eq=False)
class LesionPatch:
    """One lesion at 0.5 mm, with what its readers say of each voxel.

    All masks are soft at outlines, over one voxel, and hold ``overlap <= alpha <= union``.

    Attributes
    ----------
    patient, name : str
        Of a research data set.
    hu : ndarray of int16, axes (slice, row, column)
    alpha : ndarray of uint8, same shape
        Mean of the readers' masks, of those who marked something; 255 is one.
    overlap, union : ndarray of uint8, same shape
        What all of them marked, and what any of them did; 255 is one.
    first : tuple of float
        Where voxel (0, 0, 0) lies in the lesion's own array, in its voxels: negative where slices
        were added.
    step : tuple of float
        From one voxel to the next, in voxels of the lesion's own array.
    """

    patient: str
    name: str
    hu: npt.NDArray[np.int16]
    alpha: npt.NDArray[np.uint8]
    overlap: npt.NDArray[np.uint8]
    union: npt.NDArray[np.uint8]
    first: tuple[float, float, float]
    step: tuple[float, float, float]

    @property
    def centre(self) -> npt.NDArray[np.float64]:
        """Centre of gravity of alpha, in voxels."""
        alpha = self.alpha.astype(np.float64)
        total = alpha.sum()
        return np.array(
            [
                alpha.sum(axis=tuple(k for k in range(3) if k != axis)) @ np.arange(n) / total
                for axis, n in enumerate(alpha.shape)
            ]
        )


def lesion_patch(lesion: AnnotatedLesion) -> LesionPatch:
    """Resample a lesion and its readers to 0.5 mm.

    HU are interpolated linearly. Of masks, signed distances to the outlines are (Raya and Udupa,
    Shape-based interpolation of multidimensional objects, IEEE TMI 1990): nearest neighbours, and
    masks cut at one half between two slices, would give steps as thick as a slice, to which a
    matte would be trained. Each reader's outline then moves evenly from one slice to the next, and
    ends half a slice beyond the last one on which the reader drew.

    Parameters
    ----------
    lesion : AnnotatedLesion
        Crops of more than 128 pixels are cut about the lesion.
    """
    box = tuple(_about(lesion.masks.any(axis=0), axis) for axis in (1, 2))
    hu = lesion.hu[(slice(None), *box)]
    masks = lesion.masks[(lesion.readers, slice(None), *box)]
    padding = 0
    if lesion.beyond is not None:
        padding = PADDING_SLICES
        below, above = (np.repeat(end[box][None], padding, axis=0) for end in lesion.beyond)
        hu = np.concatenate([below, hu, above])
        masks = np.pad(masks, ((0, 0), (padding, padding), (0, 0), (0, 0)))
    distances = [_resampled(_signed(mask, lesion.spacing), lesion.spacing) for mask in masks]
    inside = np.stack([_soft(distance) for distance in distances])
    return LesionPatch(
        lesion.patient,
        lesion.name,
        np.rint(_resampled(hu.astype(np.float32), lesion.spacing)).astype(np.int16),
        _bytes(inside.mean(axis=0)),
        _bytes(inside.min(axis=0)),
        _bytes(inside.max(axis=0)),
        (float(-padding), float(box[0].start), float(box[1].start)),
        tuple(SPACING_MM / s for s in lesion.spacing),
    )


def _about(marked: npt.NDArray[np.bool_], axis: int) -> slice:
    """At most `CROP` pixels of an axis, the lesion in their middle where the edge allows it."""
    length = marked.shape[axis]
    (there,) = marked.any(axis=tuple(k for k in range(3) if k != axis)).nonzero()
    begin = (int(there[0]) + int(there[-1]) + 1 - CROP) // 2
    begin = max(min(begin, length - CROP), 0)
    return slice(begin, min(begin + CROP, length))


def _signed(
    mask: npt.NDArray[np.bool_], spacing: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    """Distance to the nearest voxel on the other side, in mm, negative outside."""
    inside = np.minimum(distance_within(~mask, spacing, _REACH_MM), _REACH_MM)
    return inside - np.minimum(distance_within(mask, spacing, _REACH_MM), _REACH_MM)


def _soft(distance: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Part of a voxel that lies inside, where its outline is flat and along an axis."""
    return np.clip(distance / SPACING_MM + 0.5, 0, 1)


def _bytes(part: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(part * _FULL).astype(np.uint8)


def _resampled(
    values: npt.NDArray[np.float32], spacing: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    """Linear, from the first voxel's centre to the last one's."""
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing[::-1])
    reach = (np.array(values.shape) - 1) * spacing
    size = [int(length / SPACING_MM + 1e-6) + 1 for length in reach]
    return sitk.GetArrayFromImage(
        sitk.Resample(
            image,
            size[::-1],
            sitk.Transform(),
            sitk.sitkLinear,
            (0.0, 0.0, 0.0),
            (SPACING_MM,) * 3,
            image.GetDirection(),
            0.0,
            sitk.sitkFloat32,
            True,
        )
    )


def keep_patch(patch: LesionPatch, path: Path) -> None:
    """Write a patch to a file: whole or not at all."""
    write_arrays(
        path,
        _FORMAT,
        patient=patch.patient,
        name=patch.name,
        hu=patch.hu,
        alpha=patch.alpha,
        overlap=patch.overlap,
        union=patch.union,
        first=np.asarray(patch.first),
        step=np.asarray(patch.step),
    )


def kept_patch(path: Path) -> LesionPatch:
    """Read a patch that `keep_patch` wrote.

    Raises
    ------
    ValueError
        If the file is of another format.
    """
    with read_arrays(path, _FORMAT) as file:
        return LesionPatch(
            str(file["patient"]),
            str(file["name"]),
            file["hu"],
            file["alpha"],
            file["overlap"],
            file["union"],
            tuple(float(v) for v in file["first"]),
            tuple(float(v) for v in file["step"]),
        )


def lesion_patches(cache: Path, lesions: list[Path]) -> list[Path]:
    """Files of lesions at 0.5 mm, for `kept_patch`; those that are missing are made.

    Parameters
    ----------
    cache : Path
        Folder; what is there is not made again.
    lesions : list of Path
        Files of `pipelines.dataset.annotated.kept`, split by patient already.

    Returns
    -------
    list of Path
        In the order of `lesions`.
    """
    files = {lesion.stem: lesion for lesion in lesions}

    def make(missing: list[str]) -> Iterator[LesionPatch]:
        return (lesion_patch(kept(files[stem])) for stem in missing)

    return cached(cache, files, make, keep_patch)
