"""Scores of one method on one case: what is kept, and what all tables are made from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.evaluation.in_box import box_of
from pipelines.metrics import MattingScores, dice, ppv, sensitivity
from pipelines.soft_mask import READERS_LEVEL

LEVELS = (READERS_LEVEL, 0.5)
"""Alpha from which on a voxel is lesion: where readers draw, and where half of a voxel is."""


@dataclass(frozen=True)
class Overlap:
    """Of two binary masks, in [0, 1]; None where a reference, or a prediction, is empty."""

    dice: float
    sensitivity: float | None
    ppv: float | None


@dataclass(frozen=True)
class PhantomScore:
    """One method on one phantom.

    Attributes
    ----------
    soft : MattingScores
        Against the exact occupancy, without factors.
    truth_voxels : float
        Sum of the occupancy: the lesion's volume in voxels.
    volume_error : float
        Signed, relative.
    quantity : str
    failed : str, optional
        See `pipelines.evaluation.answers.Answer`.
    """

    soft: MattingScores
    truth_voxels: float
    volume_error: float
    quantity: str
    failed: str | None


@dataclass(frozen=True)
class MarkScore:
    """One method on one nodule, told by one reader's mark.

    Attributes
    ----------
    reader : int
        Who drew the mark.
    quantity : str
    failed : str, optional
        See `pipelines.evaluation.answers.Answer`.
    soft : MattingScores
        Against the readers' mean, without factors.
    label : MattingScores, optional
        Against the papers' label, a classical matte; None where no matte is good enough.
    volume_error : float
        Of the sum of alpha against that of the readers' mean.
    whole, key : tuple of Overlap
        With the consensus, one for each of `LEVELS`: in 3D, and on the slice of the mark.
    energy_distance, best_dice : float
        Of thresholds of alpha against the readers' masks.
    readers : tuple of float or None
        Dice of alpha at `READERS_LEVEL` with each reader; None where that reader marked nothing.
    others : float or None
        The same with the consensus of the other three, two of whom make it; None where it is empty.
    """

    reader: int
    quantity: str
    failed: str | None
    soft: MattingScores
    label: MattingScores | None
    volume_error: float
    whole: tuple[Overlap, ...]
    key: tuple[Overlap, ...]
    energy_distance: float
    best_dice: float
    readers: tuple[float | None, ...]
    others: float | None


@dataclass(frozen=True)
class NoduleScore:
    """One method on one nodule, once for each mark.

    Attributes
    ----------
    patient : str
    long_mm : float
        Mean over readers of the long axes that they would draw.
    marks : tuple of MarkScore
        In the order of `pipelines.evaluation.cases.marking_readers`.
    """

    patient: str
    long_mm: float
    marks: tuple[MarkScore, ...]


@dataclass(frozen=True)
class ContinuedMark:
    """One method on a nodule continued beyond its ends, told by one reader's mark."""

    reader: int
    quantity: str
    failed: str | None
    whole: tuple[Overlap, ...]


@dataclass(frozen=True)
class ContinuedScore:
    """One method on a nodule continued beyond its ends, once for each mark."""

    patient: str
    marks: tuple[ContinuedMark, ...]


@dataclass(frozen=True)
class SampleMark:
    """Masks that a network drew of a nodule, told by one reader's mark, against the readers'."""

    reader: int
    energy_distance: float
    best_dice: float


@dataclass(frozen=True)
class SampleScore:
    """Masks that a network drew of a nodule, once for each mark."""

    patient: str
    marks: tuple[SampleMark, ...]


def overlap(a: npt.NDArray[np.bool_], g: npt.NDArray[np.bool_]) -> Overlap:
    """Dice, sensitivity and positive predictive value of two masks."""
    box = box_of((a, g))
    a, g = a[box], g[box]

    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    return Overlap(dice(a, g), known(sensitivity(a, g)), known(ppv(a, g)))


def overlaps(alpha: npt.NDArray, g: npt.NDArray[np.bool_]) -> tuple[Overlap, ...]:
    """`overlap` of alpha at each of `LEVELS`."""
    return tuple(overlap(alpha >= level, g) for level in LEVELS)
