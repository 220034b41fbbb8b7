"""Segment one lesion: the work of a worker process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import highdicom as hd

from dicomnode.frames import FrameFile
from dicomnode.jobs.read_masks import MaskPrior, read_masks
from dicomnode.jobs.read_volume import read_volume
from dicomnode.store.files import write_durably
from pipelines.errors import UnusableMarkError
from pipelines.networks.options import NetworkOptions
from pipelines.recist import RecistAxes
from pipelines.soft_mask import Parameter, SoftMask

LARGEST_ML = 2000.0
"""More than any lesion that a mark means."""

ONE_SLICE = "outlined on one slice only; segmented from the diameters there"


@dataclass(frozen=True)
class SegmentRequest:
    """Everything that decides a soft mask.

    Attributes
    ----------
    slices : tuple of Path or FrameFile
        CT slices in order along the normal.
    key_index : int or None
        Position of the slice with the mark; None for frames of enhanced CT, of which it is the one
        that the axes lie on.
    prior : RecistAxes or MaskPrior
        Axes, or readers' masks, which say more.
    method : str
    parameters : Mapping
    target : Path
        Where the soft mask is written.
    networks : NetworkOptions
        For methods that are networks.
    """

    slices: tuple[Path | FrameFile, ...]
    key_index: int | None
    prior: RecistAxes | MaskPrior
    method: str
    parameters: Mapping[str, Parameter]
    target: Path
    networks: NetworkOptions = field(default_factory=NetworkOptions)


@dataclass(frozen=True)
class SegmentOutcome:
    """What the node keeps beside the file: ml, seconds of computing, warnings.

    A density-weighted mask has no volume: None.
    """

    volume_ml: float | None
    seconds: float
    warnings: tuple[str, ...]


def segment(request: SegmentRequest) -> SegmentOutcome:
    """Read the slices, compute the soft mask, write it durably.

    Raises
    ------
    pipelines.errors.SegmentationError
        If the mark and the voxels give no soft mask, or one of more than `LARGEST_ML`.
    """
    started = time.perf_counter()
    prior = request.prior
    axes = prior.axes if isinstance(prior, MaskPrior) else prior
    volume, warnings = read_volume(
        request.slices, axes if request.key_index is None else request.key_index
    )
    soft_mask, doubts = _soft_mask(volume, request)
    warnings = (*warnings, *doubts)
    if soft_mask.volume_ml is not None and soft_mask.volume_ml > LARGEST_ML:
        raise UnusableMarkError(
            f"the result holds {soft_mask.volume_ml:.0f} ml, expected a lesion of at most "
            f"{LARGEST_ML:g}"
        )
    soft_mask = replace(soft_mask, warnings=(*warnings, *soft_mask.warnings))
    write_durably(request.target, soft_mask.save)
    return SegmentOutcome(
        volume_ml=soft_mask.volume_ml,
        seconds=time.perf_counter() - started,
        warnings=soft_mask.warnings,
    )


def _soft_mask(volume: hd.Volume, request: SegmentRequest) -> tuple[SoftMask, tuple[str, ...]]:
    """By the masks or the axes of the request, and what is to be said of that.

    A mask on one slice of several says how large the lesion is there, and not how far it reaches:
    that is what axes say. It does not vote where another reader's mask says more.
    """
    # Here, for it loads Numba and SciPy, which a node that starts need not wait for.
    from pipelines.lesion import soft_mask_from_masks, soft_mask_from_recist

    how = {
        "method": request.method,
        "parameters": request.parameters,
        "networks": request.networks,
    }
    if not isinstance(request.prior, MaskPrior):
        return soft_mask_from_recist(volume, request.prior, **how), ()
    masks = read_masks(request.prior, request.slices)
    deep = masks[masks.any(axis=(2, 3)).sum(axis=1) > 1]
    if len(deep) or len(request.slices) == 1:
        return soft_mask_from_masks(volume, deep if len(deep) else masks, **how), ()
    return soft_mask_from_recist(volume, request.prior.axes, **how), (ONE_SLICE,)
