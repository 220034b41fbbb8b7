"""What a training configuration may say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.toml_settings import read_toml_settings
from pipelines.training.network_settings import (
    Count,
    NetworkSettings,
    RecistNetSettings,
    Share,
    Strict,
)


class TrainingSettingsError(ValueError):
    """A training configuration that cannot be used."""


class DataSettings(Strict):
    """Where lesions come from. Paths are relative to where the command runs."""

    cache: Path
    """Folder of samples that are made once; may be deleted at any time."""
    lidc: Path | None = None
    """Folder of `index.csv` and `lidc_slices_4readers.tar.xz`; without, phantoms only."""
    phantoms: Annotated[int, Field(ge=0)] = 150
    phantom_share: Share = 0.1
    """Of the lesions of a batch."""
    validation_phantoms: Annotated[int, Field(ge=0)] = 0
    """Phantoms to validate on, beside LIDC's validation patients."""
    planes: Annotated[int, Field(ge=2)] = 6
    """Of a lesion in a batch, for networks that a mark prompts."""

    @model_validator(mode="after")
    def _something(self) -> DataSettings:
        if self.lidc is None and not self.phantoms:
            raise ValueError("found neither lidc nor phantoms, expected lesions to train on")
        return self


class OptimiserSettings(Strict):
    """How weights are changed; where networks learn by turns, each has such an optimiser."""

    kind: Literal["adamw", "adam"] = "adamw"
    """AdamW does not pull norms and biases to zero. Adam's decay is a part of the gradient, and of
    all weights, as the papers have it."""
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.02
    schedule: Literal["hold", "cosine", "polynomial"] = "hold"
    """After the rise: the rate stays and falls in a line at the end; falls as a cosine; or falls
    as the power 0.9 of what is left."""
    warm_up: Annotated[int, Field(ge=0)] = 60
    """Steps in which the rate rises from nothing."""
    cool_down: Share = 0.3
    """Last part of all steps, in which the rate falls, if it holds until then."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Longest gradient."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    """Weights are averaged with this memory; the average is what is validated and shipped."""


class TrainingSettings(Strict):
    """One training run."""

    network: NetworkSettings = RecistNetSettings()
    data: DataSettings
    optimiser: OptimiserSettings = OptimiserSettings()
    seed: Annotated[int, Field(ge=0)] = 0
    steps: Count
    batch: Count = 10
    """Samples in a batch: lesions, slices or patches."""
    folder: Path
    """Of checkpoints, log and the trained weights."""
    keep_every: Count = 100
    """Steps between checkpoints; one is also kept when the command is stopped."""
    validate_every: Count = 400
    """Steps between validations."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count | None = None
    """Of the CPU."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that make batches ahead, for a GPU not to wait; the batches are the same."""


def load_training_settings(path: Path) -> TrainingSettings:
    """Read a TOML file.

    Raises
    ------
    TrainingSettingsError
        If it is no TOML, or says what cannot be.
    """
    return read_toml_settings(path, TrainingSettings, TrainingSettingsError)
