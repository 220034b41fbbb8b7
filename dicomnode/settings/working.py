"""How marks become results, and how results go out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    field_validator,
)
from pydantic import model_validator as validates_whole

from dicomnode.settings.section import Section
from pipelines.networks.options import NetworkOptions


def _physical_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


class SegmentSettings(Section):
    """The pool that computes."""

    processes: int = Field(default_factory=lambda: max(1, (os.cpu_count() or 2) // 2), ge=1)
    attempts: int = Field(2, ge=1)
    seconds: float = Field(3600, ge=0)
    """Longest time of one piece of work; 0: as long as it takes."""
    stop_s: float = Field(30, ge=0)
    """How long work may go on once the node is asked to stop; it is then begun anew at a start."""
    memory_mb: int = Field(default_factory=lambda: _physical_mb() // 2, ge=0)
    """Most memory of one worker; 0: as much as it takes."""


class NetworkSettings(Section):
    """Where a site's own weights of networks lie, and what networks run on.

    See `pipelines.networks.options.NetworkOptions`.
    """

    weights: Path | None = None
    device: str = "auto"
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    batch: int = Field(4, ge=1)

    @field_validator("weights")
    @classmethod
    def _is_a_folder(cls, weights: Path | None) -> Path | None:
        if weights is not None and not (weights.is_absolute() and weights.is_dir()):
            raise ValueError(f"found {str(weights)!r}, expected the absolute path of a folder")
        return weights

    @validates_whole(mode="after")
    def _make_sense(self) -> NetworkSettings:
        _ = self.options
        return self

    @property
    def options(self) -> NetworkOptions:
        """As workers take them."""
        return NetworkOptions(self.weights, self.device, self.precision, self.batch)


class PublishSettings(Section):
    """What the result objects say of themselves."""

    series_number: int = Field(7300, ge=1)
    omit_empty_frames: bool = True
    gather_s: float = Field(10, ge=0)
    """Reports of a series wait for so long after a lesion, so that several make one report."""


class RetrySettings(Section):
    """How deliveries and retrievals are repeated: waits grow by the factor up to the longest."""

    first_wait_s: float = Field(5, gt=0)
    factor: float = Field(2, ge=1)
    longest_wait_s: float = Field(3600, gt=0)
    attempts: int = Field(180, ge=1)
    jitter: float = Field(0.25, ge=0, le=1)
    """The part by which each wait may be shorter, by chance."""


class CircuitSettings(Section):
    """When a destination counts as away, and how often it is then asked whether it is back."""

    failures: int = Field(5, ge=1)
    first_wait_s: float = Field(15, gt=0)
    longest_wait_s: float = Field(600, gt=0)


class ConfirmSettings(Section):
    """How results are confirmed that a destination has accepted."""

    batch_s: float = Field(2, ge=0)
    batch: int = Field(500, ge=1, le=5000)
    same_association_s: float = Field(5, ge=0)
    report_within_s: float = Field(14400, gt=0)
    after_start_s: float = Field(60, ge=0)
    requests: int = Field(6, ge=1)
    resends: int = Field(3, ge=0)
    verify_attempts: int = Field(8, ge=1)
    keep_days: float = Field(90, ge=0)
    """How long requests that are done, and deliveries of what was replaced, are kept; 0: always."""


class ProbeSettings(Section):
    """How often destinations are asked what they accept."""

    every_h: float = Field(24, ge=0)
    """0: only by ``dicomnode probe``."""
