"""Which of a lesion's candidate mattes is its label.

Wang et al., 3D Matting, section 3.2, let people choose "the one which depicts the nodule the best",
and discard a nodule none of whose mattes is good enough. Nobody chooses here: a rule stands in for
them, and is no radiologist. It asks two things that the readers' masks and the CT can answer.

1. Where is the outline? Of the four methods that take foreground for pure, the one whose matte is
   nearest to the readers' mean, by the sum of absolute differences over the unknown part. A matte
   is no candidate if it does not rise from where no reader drew to where all did, or if its volume
   is not like the readers'.
2. How dense is the inside? Readers' masks cannot tell. The papers made density-weighted variants
   since foreground "may not be pure lesion tissue"; so that method's variant is chosen where the
   core is not solid: its median lies below the mediastinal window, in which radiologists look for
   solid parts.

A nodule that has no candidate left after 1 is discarded, as in the papers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.dataset.candidate_mattes import CandidateMattes
from pipelines.matting import DENSITY_METHODS
from pipelines.soft_mask import UNKNOWN

NOT_SOLID_HU = -160.0
"""Lower end of the mediastinal window (level 40, width 400)."""

VOLUME_RANGE = (0.5, 1.5)
"""Sum of a matte, in sums of the readers' mean: readers' own volumes lie so far apart."""

FALL = 0.05
"""Alpha may fall by so much from one share of readers to the next: noise of a band's mean."""

_SHARES = np.array([0.002, 0.3, 0.6, 0.9]) * 255
"""Shares of readers between which alpha is compared: none, one of four, two, three, all."""


@dataclass(frozen=True)
class MatteCheck:
    """What the rule found of one matte.

    Attributes
    ----------
    method : str
    difference : float
        Mean absolute difference to the readers' mean over the unknown part.
    rises : bool
        Whether alpha does not fall as more readers agree.
    volume : float
        Sum of alpha in sums of the readers' mean.
    """

    method: str
    difference: float
    rises: bool
    volume: float

    @property
    def passes(self) -> bool:
        """Whether it may be chosen."""
        return self.rises and VOLUME_RANGE[0] <= self.volume <= VOLUME_RANGE[1]


def checked(candidates: CandidateMattes) -> tuple[MatteCheck, ...]:
    """The mattes of the methods that take foreground for pure, in their order."""
    unknown = candidates.trimap == UNKNOWN
    readers = candidates.readers[unknown].astype(np.float64)
    total = candidates.readers.sum(dtype=np.float64)
    found = []
    for method in candidates.methods:
        if method in DENSITY_METHODS:
            continue
        matte = candidates.matte(method)
        alpha = matte[unknown].astype(np.float64)
        found.append(
            MatteCheck(
                method,
                float(np.abs(alpha - readers).mean()) / 255,
                _rises(alpha, readers),
                float(matte.sum(dtype=np.float64) / total),
            )
        )
    return tuple(found)


def selected_method(candidates: CandidateMattes) -> str | None:
    """Name of the method whose matte is the lesion's label, or None where it is discarded.

    Where two are equally near the first of `candidates.methods` is taken. The density-weighted
    variant is named only if it is among the candidates.
    """
    passing = [check for check in checked(candidates) if check.passes]
    if not passing:
        return None
    nearest = min(passing, key=lambda check: check.difference).method
    weighted = f"{nearest}+"
    if candidates.core_hu < NOT_SOLID_HU and weighted in candidates.methods:
        return weighted
    return nearest


def selection_counts(candidates: Iterable[CandidateMattes]) -> dict[str, int]:
    """How often each method is chosen; "discarded" counts the lesions without a label."""
    return dict(Counter(selected_method(one) or "discarded" for one in candidates).most_common())


def _rises(alpha: npt.NDArray[np.float64], readers: npt.NDArray[np.float64]) -> bool:
    band = np.digitize(readers, _SHARES)
    means = [alpha[band == number].mean() for number in np.unique(band)]
    return bool((np.diff(means) >= -FALL * 255).all())
