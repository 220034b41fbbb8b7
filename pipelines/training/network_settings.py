"""What a training configuration may say of its network, one class a family.

`[network] name` decides which class reads the rest. A new family adds its class to
`NetworkSettings` and its task to `pipelines.training.tasks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Crop = Annotated[int, Field(ge=32, multiple_of=16)]
"""Rows and columns of the crops of slices that a network learns from."""


class Strict(BaseModel):
    """Settings that cannot be changed and hold nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RecistNetSettings(Strict):
    """`models.recist_net.RecistNet`."""

    name: Literal["recist-net"] = "recist-net"
    widths: tuple[Count, ...] = (16, 32, 64, 128)
    blocks: Count = 1


class Matting3dSettings(Strict):
    """The networks of `models.matting_3d`."""

    name: Literal["3dmm", "3dmm-m", "3dmm-mg"]
    guidance: bool = True
    """Whether the masks are given to the matting part."""
    side: Annotated[int, Field(ge=32, multiple_of=16)] = 96
    """Of a patch, in voxels of 0.5 mm; at 16 the deepest norm would see one voxel."""
    target: Literal["readers", "selected-matte"] = "readers"
    """What alpha learns: the mean of the readers' masks; or, as in the papers, one of eight
    classical mattes. A rule chooses it (`pipelines.dataset.selection`), not radiologists."""


class BaselineSettings(Strict):
    """`models.baselines`."""

    name: Literal["monai-unet", "monai-unet-2.5d", "monai-unet-plus-plus", "monai-attention-unet"]
    widths: tuple[Count, ...]
    """See `models.baselines`."""
    crop: Crop = 64
    views: Literal[1, 4, 8] = 1
    """Of a slice, over which alpha is the mean when the network is used."""


class MedicalMattingSettings(Strict):
    """`models.medical_matting` and `models.region_aware`."""

    name: Literal["medical-matting", "region-aware"]
    crop: Crop = 128
    samples: Count = 8
    """Masks that the uncertainty is taken over."""
    weighting: Literal["uncertainty", "alternating"] = "uncertainty"
    """Of the two tasks: learned (Kendall), or swinging from masks to alpha (OAWS)."""
    epoch: Count = 110
    """Steps in one epoch, by which alternating weights swing."""


class SuperResolutionSettings(Strict):
    """`models.super_resolution`."""

    name: Literal["super-resolution"]
    crop: Crop = 128
    """Of the fine slices; coarse ones have a quarter of it."""
    content: Literal["l1", "mse"] = "l1"
    adversary: Annotated[float, Field(ge=0)] = 1e-3
    """Weight of deceiving the discriminator."""
    warm_start: Annotated[int, Field(ge=0)] = 0
    """Steps by squared error alone, before the discriminator learns."""


class DSNetSettings(Strict):
    """`models.dsnet`."""

    name: Literal["dsnet"]
    teacher: Path
    """Trained weights of `super-resolution`."""
    join: Literal["detail-relevant", "early", "selective"] = "detail-relevant"
    """The journal version's module, or one of the conference version's two."""
    crop: Crop = 64


def _named(value: Any) -> Any:
    """Configurations that name no network are older than the others."""
    if isinstance(value, dict):
        return {"name": "recist-net"} | value
    return value


NetworkSettings = Annotated[
    RecistNetSettings
    | Matting3dSettings
    | BaselineSettings
    | MedicalMattingSettings
    | SuperResolutionSettings
    | DSNetSettings,
    Field(discriminator="name"),
    BeforeValidator(_named),
]
"""Any family."""
