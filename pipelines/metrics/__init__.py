"""How well a soft mask agrees with a reference. `a` is the prediction, `g` the reference.

All take arrays of two or three axes, all give plain numbers without the factors that papers print
with them; those are in `pipelines.metrics.scores`.
"""

from pipelines.metrics.connectivity import connectivity_error
from pipelines.metrics.difference import mse, sad, volume_error
from pipelines.metrics.energy_distance import best_dice, generalised_energy_distance, masks_of_alpha
from pipelines.metrics.gradient import gradient_error
from pipelines.metrics.overlap import dice, iou, ppv, sensitivity
from pipelines.metrics.scores import JOURNAL_SCALE, REGION_AWARE_SCALE, MattingScores, Scale, score
from pipelines.metrics.surface import SurfaceDistances, surface_distances

__all__ = [
    "JOURNAL_SCALE",
    "REGION_AWARE_SCALE",
    "MattingScores",
    "Scale",
    "SurfaceDistances",
    "best_dice",
    "connectivity_error",
    "dice",
    "generalised_energy_distance",
    "gradient_error",
    "iou",
    "masks_of_alpha",
    "mse",
    "ppv",
    "sad",
    "score",
    "sensitivity",
    "surface_distances",
    "volume_error",
]
