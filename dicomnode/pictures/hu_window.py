"""The window that CT is shown in: lung where there is air around, soft tissue elsewhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LUNG_HU = (-1350.0, 150.0)
SOFT_TISSUE_HU = (-160.0, 240.0)
_AERATED_HU = (-960.0, -500.0)
_AERATED_PART = 0.3
"""Part of the voxels around a mark that are aerated lung where it is shown in a lung window."""


def hu_window(hu: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Lowest and highest HU that are told apart, for the surroundings `hu` of a mark."""
    aerated = (hu > _AERATED_HU[0]) & (hu < _AERATED_HU[1])
    return LUNG_HU if aerated.mean() > _AERATED_PART else SOFT_TISSUE_HU
