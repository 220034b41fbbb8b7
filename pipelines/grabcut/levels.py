"""HU of the lung around a mark and of the lesion inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_LEAST_CONTRAST = 150.0
"""HU that at least lie between lung and lesion; less is noise."""

_AIRY_HU, _LEAST_AIRY = -500.0, 0.25
"""What is darker is lung, and the part of the surroundings that it has to be."""

_FURTHEST = (-0.3, 1.3)
"""The mix is cut off here: air in a bronchus or bone says no more than lung or lesion."""


@dataclass(frozen=True)
class Levels:
    """HU of the lung around the mark and of the lesion inside it.

    `clear` is False where they were measured less than 150 HU apart, as in a mediastinum; `lung` is
    then 150 HU below the lesion.
    """

    lung: float
    lesion: float
    clear: bool

    def at(self, part: float) -> float:
        """HU at a part of the way from lung to lesion."""
        return self.lung + part * (self.lesion - self.lung)

    def mix(self, hu: npt.NDArray) -> Array:
        """Part of the way from lung to lesion that HU lie at, cut off at -0.3 and 1.3."""
        part = (np.asarray(hu, np.float32) - np.float32(self.lung)) * np.float32(
            1 / (self.lesion - self.lung)
        )
        return np.clip(part, *map(np.float32, _FURTHEST))

    @classmethod
    def measure(cls, image: npt.NDArray, radius: Array) -> Levels:
        """Robust levels from inside of the ellipsoid and from a shell around it.

        The lesion's is the 60th percentile within 0.8 of the elliptic radius, since its middle may
        hold air. The lung's is the median of what is darker than -500 HU between 1.2 and 2, where
        that is a quarter or more, since most of a lesion's surroundings may be wall; else the
        35th percentile of all.
        """
        inside = image[radius < 0.8]
        if not len(inside):
            inside = image[radius == radius.min()]
        lesion = float(np.percentile(inside, 60))
        around = image[(radius > 1.2) & (radius < 2)]
        air = around[around < _AIRY_HU]
        if len(air) >= max(_LEAST_AIRY * len(around), 1):
            lung = float(np.median(air))
        else:
            lung = float(np.percentile(around, 35)) if len(around) else lesion
        clear = lesion - lung >= _LEAST_CONTRAST
        return cls(lung if clear else lesion - _LEAST_CONTRAST, lesion, clear)
