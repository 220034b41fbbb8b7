"""What the registry says of a network: what it is given, what it answers, what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

MEANINGS = ("OCCUPANCY", "PROBABILITY")
"""What alpha can be to a network: part of the voxel that is lesion, or part of the readers who
would mark it."""


VIEWS = (1, 4, 8)
"""What `InputContract.views` can be."""


class NoWeightsError(RuntimeError):
    """A network that has no weights, or whose weights do not fit."""


@dataclass(frozen=True)
class InputContract:
    """What a network expects.

    Attributes
    ----------
    kind : str
        "prompted-planes": planes in a mark's own frame, with the mark drawn
        (`pipelines.prompted`). "volume": patches (1, depth, height, width). "slice": single slices
        (1, height, width), or each between as many neighbours below and above, repeated where the
        CT ends.
    channels : int
    size : tuple of int
        Voxels of a plane, a patch or a slice.
    spacing : str
        Of its voxels, for readers.
    window : str
        How HU become values, for readers.
    spacing_mm : float, optional
        Of the voxels of a patch, the same in all directions; None where they are the CT's own.
    window_hu : tuple of float, optional
        HU that become the first and the last of `values`; beyond it they are cut off.
    values : tuple of float
    views : int
        Alpha is the mean over so many views of a slice: 1 the slice as it is, 4 with its mirror
        images, 8 with those turned by a right angle, too.
    """

    kind: str
    channels: int
    size: tuple[int, ...]
    spacing: str
    window: str
    spacing_mm: float | None = None
    window_hu: tuple[float, float] | None = None
    values: tuple[float, float] = (0.0, 1.0)
    views: int = 1


@dataclass(frozen=True)
class Network:
    """A network that can be named.

    Attributes
    ----------
    name : str
    make : callable
        Takes what the weights file says of itself, gives the module. KeyError or ValueError where
        that does not suffice.
    contract : InputContract
        `models.loading.contract_of` says what a weights file changes of it.
    meaning : str
        One of `MEANINGS`, unless the weights file says another; "IMAGE" of what does not segment.
    weights : Path
        The safetensors file of the package; it need not be there.
    extra : str
        Of this package, that installs `packages`.
    packages : tuple of str
        Without these it does not run.
    """

    name: str
    make: Callable[[Mapping[str, str]], nn.Module]
    contract: InputContract
    meaning: str
    weights: Path
    extra: str = "networks"
    packages: tuple[str, ...] = ("torch", "safetensors")

    @property
    def segments(self) -> bool:
        """Whether it answers with alpha, and so is a method."""
        return self.meaning in MEANINGS
