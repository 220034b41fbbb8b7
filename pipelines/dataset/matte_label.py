"""The papers' label of a lesion, a classical matte, on the lesion's own voxels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.candidate_mattes import candidate_mattes
from pipelines.dataset.own_grid import on_own_grid
from pipelines.dataset.patches import lesion_patch
from pipelines.dataset.selection import selected_method


def label_on_own_grid(lesion: AnnotatedLesion) -> npt.NDArray[np.float32] | None:
    """The papers' label, a classical matte, on the lesion's own voxels.

    None where `pipelines.dataset.selection` finds no good matte.
    """
    patch = lesion_patch(lesion)
    candidates = candidate_mattes(patch)
    method = selected_method(candidates)
    if method is None:
        return None
    matte = candidates.matte(method).astype(np.float32) / 255
    return on_own_grid(matte, patch, candidates.corner, lesion.hu.shape)
