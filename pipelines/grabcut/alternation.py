"""The alternation that gives GrabCut its name: mixtures of the mask, a cut by them, and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.grabcut.component import nearest_component
from pipelines.grabcut.cut import GridLinks
from pipelines.grabcut.mixture import Mixture, bins

_MIXTURE_CLIP = 2.0


def alternate(
    image: npt.NDArray[np.float32],
    radius: npt.NDArray[np.float32],
    links: GridLinks,
    log_odds: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    mixture_weight: float,
    rounds: int,
) -> npt.NDArray[np.bool_]:
    """Mixtures of the mask, cut by them, and again, until nothing changes."""
    mask = nearest_component(mask, radius)
    if not mixture_weight:
        rounds = 1
    shell = (radius > 1.1) & (radius < 2.2)
    values = bins(image) if mixture_weight else None
    for _ in range(rounds):
        weighed = log_odds
        if mixture_weight:
            around = shell & ~mask
            if not around.any():
                around = ~mask
            if around.any():
                lesion = Mixture.fit(values[mask], components=2)
                background = Mixture.fit(values[around], components=3)
                ratio = lesion.log_density() - background.log_density()
                ratio = np.clip(ratio, -_MIXTURE_CLIP, _MIXTURE_CLIP)
                weighed = log_odds + (np.float32(mixture_weight) * ratio)[values]
        cut, _ = links.minimum_cut(weighed)
        if not cut.any():
            break
        cut = nearest_component(cut, radius)
        if (cut == mask).all():
            break
        mask = cut
    return mask
