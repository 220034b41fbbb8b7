"""What the 3D matting networks (3DMM, 3DMM-M, 3DMM-MG) are trained on, and how they are scored.

Wang et al., 3D Matting (conference and journal version): patches at 0.5 mm, both masks and alpha
learned together. `config/train/3dmm.toml` has the papers' schedule.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from models.losses import matting_3d_loss
from models.matting_3d import matting_3d, matting_3d_ghost, matting_3d_merged
from pipelines.dataset.annotated import kept
from pipelines.dataset.patch_crops import CropDisturbance, drawn_crop
from pipelines.training.labelled_lesions import LabelledLesions, labelled_lesions
from pipelines.training.lesions import lots
from pipelines.training.matting_3d_scores import Matting3dScore, scored_matte
from pipelines.training.settings import TrainingSettings
from pipelines.training.task import MAIN

MAKERS: Mapping[str, Callable[[bool], nn.Module]] = {
    "3dmm": matting_3d,
    "3dmm-m": matting_3d_merged,
    "3dmm-mg": matting_3d_ghost,
}


@dataclass(frozen=True)
class Batch:
    """See `pipelines.dataset.patch_crops.Crop`; (batch, 1, side, side, side)."""

    image: Tensor
    alpha: Tensor
    overlap: Tensor
    union: Tensor


class Matting3dTask:
    """Lesions are read from their files as they are needed; a `pipelines.training.task.Task`."""

    turns: ClassVar = {MAIN: (MAIN,)}

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.name = settings.network.name
        self.how = CropDisturbance()

    @cached_property
    def _lesions(self) -> LabelledLesions:
        return labelled_lesions(self.settings.data, self.settings.network.target)

    def about(self) -> dict[str, str]:
        """Layers, size of patches, and what alpha is and means.

        A selected matte is called occupancy; where the density-weighted variant was selected, it
        is less than that.
        """
        target = self.settings.network.target
        return {
            "guidance": str(self.settings.network.guidance).lower(),
            "size": ",".join([str(self.settings.network.side)] * 3),
            "meaning": "PROBABILITY" if target == "readers" else "OCCUPANCY",
            "target": target,
        }

    def networks(self) -> dict[str, nn.Module]:
        """The network as it is before the first step."""
        torch.manual_seed(self.settings.seed)
        return {MAIN: MAKERS[self.name](self.settings.network.guidance)}

    def batch(self, step: int) -> Batch:
        """The batch of one step."""
        seed, size = self.settings.seed, self.settings.batch
        rng = np.random.default_rng([seed, 1, step])
        readers, phantoms = self._lesions.readers, self._lesions.phantoms
        counts, share = (len(readers), len(phantoms)), self.settings.data.phantom_share
        crops = [
            drawn_crop(
                (phantoms if made else readers)[index].load(),
                self.settings.network.side,
                rng,
                self.how,
            )
            for made, index in lots(rng, seed, step, size, counts, share)
        ]
        return Batch(
            *(
                torch.from_numpy(np.stack([getattr(crop, name) for crop in crops])[:, None])
                for name in ("image", "alpha", "overlap", "union")
            )
        )

    def loss(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Tensor:
        """Of one batch."""
        matte = networks[MAIN](batch.image)
        matte = type(matte)(*(part.float() for part in matte))
        return matting_3d_loss(matte, batch.alpha, batch.overlap, batch.union)

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean scores over the validation lesions, of a network in evaluation mode."""
        scores = [
            scored_matte(network, source.load(), kept(lesion), self.settings.network.side)
            for source, lesion in self._lesions.validation
        ]
        if not scores:
            return {}
        return {
            name: statistics.fmean(getattr(score, name) for score in scores)
            for name in Matting3dScore.__dataclass_fields__
        }
