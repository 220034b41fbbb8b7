"""Mattes of a lesion by all eight classical methods, from which the papers' label is chosen.

Wang et al., 3D Matting, section 3.2: four methods adapted to 3D and their density-weighted
variants, on a trimap whose foreground is what all readers marked, whose background is what none
did, and whose unknown part is dilated. By how much the papers do not say; here by 1 mm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.dataset.annotated import cached
from pipelines.dataset.patches import SPACING_MM, LesionPatch, kept_patch
from pipelines.dataset.whole_file import read_arrays, write_arrays
from pipelines.matting import METHODS
from pipelines.soft_mask import FOREGROUND
from pipelines.trimap import trimap_from_masks

CANDIDATES = (
    "closed-form",
    "knn",
    "learning-based",
    "information-flow",
    "closed-form+",
    "knn+",
    "learning-based+",
    "information-flow+",
)
"""Names in `pipelines.matting.METHODS`."""

DILATION_MM = 1.0
"""As `pipelines.trimap.trimap_from_masks` has it for readers' masks: about a pixel and a half."""

_CONTEXT = 8
"""Voxels of surely known background that a method sees around the unknown part: 4 mm, so that
those that look for like voxels find some lung and some wall."""

_FORMAT = 1
_HALF = 128


@dataclass(frozen=True, eq=False)
class CandidateMattes:
    """Mattes of one lesion on the part of its patch that is not surely background.

    Attributes
    ----------
    patient, name : str
    methods : tuple of str
        In the order of `mattes`.
    mattes : ndarray of uint8, axes (method, slice, row, column)
        255 is one.
    readers : ndarray of uint8, axes (slice, row, column)
        Mean of the readers on the same part.
    trimap : ndarray of uint8, same shape
        0 background, 1 unknown, 2 foreground.
    corner : tuple of int
        First voxel of the part in the patch; around it alpha is 0.
    core_hu : float
        Median HU of the trimap's foreground.
    """

    patient: str
    name: str
    methods: tuple[str, ...]
    mattes: npt.NDArray[np.uint8]
    readers: npt.NDArray[np.uint8]
    trimap: npt.NDArray[np.uint8]
    corner: tuple[int, int, int]
    core_hu: float

    def matte(self, method: str) -> npt.NDArray[np.uint8]:
        """One method's."""
        return self.mattes[self.methods.index(method)]


def candidate_mattes(
    patch: LesionPatch, methods: tuple[str, ...] = CANDIDATES, dilation_mm: float = DILATION_MM
) -> CandidateMattes:
    """Compute the mattes of a lesion at 0.5 mm.

    Parameters
    ----------
    patch : LesionPatch
    methods : tuple of str
        Names in `pipelines.matting.METHODS`, each with its own defaults.
    dilation_mm : float
        The unknown part is wider by so much than where readers differ.
    """
    masks = np.stack([patch.overlap >= _HALF, patch.union >= _HALF])
    spacing = (SPACING_MM,) * 3
    # Where readers share nothing, the trimap's foreground is the deepest of what any marked.
    whole = trimap_from_masks(masks, spacing, margin_mm=dilation_mm)
    box = _box(whole > 0)
    trimap = np.ascontiguousarray(whole[box])
    image = np.ascontiguousarray(patch.hu[box], np.float32)
    mattes = [METHODS[method](image, trimap, spacing) for method in methods]
    return CandidateMattes(
        patch.patient,
        patch.name,
        methods,
        np.rint(255 * np.stack(mattes)).astype(np.uint8),
        patch.alpha[box],
        trimap,
        tuple(part.start for part in box),
        float(np.median(image[trimap == FOREGROUND])),
    )


def _box(there: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    box = []
    for axis in range(3):
        (at,) = there.any(axis=tuple(k for k in range(3) if k != axis)).nonzero()
        box.append(slice(max(int(at[0]) - _CONTEXT, 0), int(at[-1]) + 1 + _CONTEXT))
    return tuple(box)


def with_matte(patch: LesionPatch, candidates: CandidateMattes, method: str) -> LesionPatch:
    """The patch with a method's matte in place of the readers' mean."""
    alpha = np.zeros_like(patch.alpha)
    matte = candidates.matte(method)
    alpha[tuple(slice(c, c + n) for c, n in zip(candidates.corner, matte.shape, strict=True))] = (
        matte
    )
    return replace(patch, alpha=alpha)


def keep_candidates(candidates: CandidateMattes, path: Path) -> None:
    """Write mattes to a file: whole or not at all."""
    write_arrays(
        path,
        _FORMAT,
        patient=candidates.patient,
        name=candidates.name,
        methods=np.array(candidates.methods),
        mattes=candidates.mattes,
        readers=candidates.readers,
        trimap=candidates.trimap,
        corner=np.asarray(candidates.corner),
        core_hu=np.float64(candidates.core_hu),
    )


def kept_candidates(path: Path) -> CandidateMattes:
    """Read mattes that `keep_candidates` wrote.

    Raises
    ------
    ValueError
        If the file is of another format.
    """
    with read_arrays(path, _FORMAT) as file:
        return CandidateMattes(
            str(file["patient"]),
            str(file["name"]),
            tuple(str(method) for method in file["methods"]),
            file["mattes"],
            file["readers"],
            file["trimap"],
            tuple(int(v) for v in file["corner"]),
            float(file["core_hu"]),
        )


def lesion_candidates(cache: Path, patches: list[Path]) -> list[Path]:
    """Files of candidate mattes, for `kept_candidates`; those that are missing are made.

    Parameters
    ----------
    cache : Path
        Folder; what is there is not made again. Stopped half way, the next call goes on.
    patches : list of Path
        Files of `pipelines.dataset.patches.kept_patch`.

    Returns
    -------
    list of Path
        In the order of `patches`.
    """
    files = {patch.stem: patch for patch in patches}

    def make(missing: list[str]) -> Iterator[CandidateMattes]:
        return (candidate_mattes(kept_patch(files[stem])) for stem in missing)

    return cached(cache, files, make, keep_candidates)
