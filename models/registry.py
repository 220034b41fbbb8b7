"""The networks that can be named. Names can be read without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.contract import InputContract, Network

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"

PROMPTED_PLANES = InputContract(
    kind="prompted-planes",
    channels=13,
    size=(48, 48),
    spacing="the long axis takes 22 pixels; planes are slices, at most about ten a long axis",
    window="-1000 to 400 HU and -160 to 240 HU",
)

VOLUME = InputContract(
    kind="volume",
    channels=1,
    size=(96, 96, 96),
    spacing="0.5 mm",
    window="-1000 to 400 HU become 0 to 1",
    spacing_mm=0.5,
    window_hu=(-1000.0, 400.0),
)
"""Of the papers' 3D networks; they print size and spacing, the window is ours."""

SLICE = InputContract(
    kind="slice",
    channels=1,
    size=(128, 128),
    spacing="the CT's own pixels",
    window="-1000 to 400 HU become 0 to 1",
    window_hu=(-1000.0, 400.0),
)
"""Of the papers' 2D networks."""

SIGNED_SLICE = replace(
    SLICE, size=(64, 64), window="-1000 to 400 HU become -1 to 1", values=(-1.0, 1.0)
)
"""Of DSNet: the paper's crops have 64 pixels a side and values of its generator's tanh."""


def _recist_net(about: Mapping[str, str]) -> nn.Module:
    from models.recist_net import RecistNet

    widths = tuple(int(width) for width in about["widths"].split(","))
    return RecistNet(widths=widths, blocks=int(about["blocks"]))


def _guidance(about: Mapping[str, str]) -> bool:
    """Whether masks guide the matting part, which changes its layers."""
    said = about.get("guidance", "true")
    if said not in ("true", "false"):
        raise ValueError(f"found guidance {said!r}, expected 'true' or 'false'")
    return said == "true"


def _matting_3d(about: Mapping[str, str]) -> nn.Module:
    from models.matting_3d import matting_3d

    return matting_3d(_guidance(about))


def _matting_3d_merged(about: Mapping[str, str]) -> nn.Module:
    from models.matting_3d import matting_3d_merged

    return matting_3d_merged(_guidance(about))


def _matting_3d_ghost(about: Mapping[str, str]) -> nn.Module:
    from models.matting_3d import matting_3d_ghost

    return matting_3d_ghost(_guidance(about))


def _medical_matting(about: Mapping[str, str]) -> nn.Module:
    from models.medical_matting import medical_matting

    return medical_matting()


def _region_aware(about: Mapping[str, str]) -> nn.Module:
    from models.region_aware import region_aware_matting

    return region_aware_matting()


def _dsnet(about: Mapping[str, str]) -> nn.Module:
    from models.dsnet import dsnet, dsnet_early, dsnet_selective

    joins = {"detail-relevant": dsnet, "early": dsnet_early, "selective": dsnet_selective}
    join = about.get("join", "detail-relevant")
    if join not in joins:
        raise ValueError(f"found join {join!r}, expected one of {', '.join(joins)}")
    return joins[join]()


def _super_resolution(about: Mapping[str, str]) -> nn.Module:
    from models.super_resolution import SuperResolution

    return SuperResolution()


def _of_monai(name: str, maker: str, channels: int = 1) -> Network:
    """A network of `models.baselines`."""

    def make(about: Mapping[str, str]) -> nn.Module:
        from models import baselines

        widths = tuple(int(width) for width in about["widths"].split(","))
        return getattr(baselines, maker)(widths, channels)

    return Network(
        name,
        make,
        replace(SLICE, channels=channels),
        "PROBABILITY",
        WEIGHTS / f"{name}.safetensors",
        packages=("torch", "safetensors", "monai"),
        extra="baselines",
    )


_BASELINES = (
    _of_monai("monai-unet", "monai_unet"),
    _of_monai("monai-unet-2.5d", "monai_unet", channels=3),
    _of_monai("monai-unet-plus-plus", "monai_unet_plus_plus"),
    _of_monai("monai-attention-unet", "monai_attention_unet"),
)


# The papers' labels are mattes, and so is what their networks answer; a weights file that was
# trained on the mean of readers' masks says so.
REGISTRY: Mapping[str, Network] = {
    name: Network(name, make, contract, meaning, WEIGHTS / f"{name}.safetensors")
    for name, make, contract, meaning in (
        ("recist-net", _recist_net, PROMPTED_PLANES, "PROBABILITY"),
        ("3dmm", _matting_3d, VOLUME, "OCCUPANCY"),
        ("3dmm-m", _matting_3d_merged, VOLUME, "OCCUPANCY"),
        ("3dmm-mg", _matting_3d_ghost, VOLUME, "OCCUPANCY"),
        ("medical-matting", _medical_matting, SLICE, "OCCUPANCY"),
        ("region-aware", _region_aware, SLICE, "OCCUPANCY"),
        ("dsnet", _dsnet, SIGNED_SLICE, "OCCUPANCY"),
        # DSNet's teacher enlarges slices; it is no method.
        ("super-resolution", _super_resolution, replace(SIGNED_SLICE, size=(128, 128)), "IMAGE"),
    )
} | {network.name: network for network in _BASELINES}
"""Every network by its name. `models.segmenting` gives those that are methods."""


def segmenting() -> tuple[str, ...]:
    """Names of the networks that answer with alpha."""
    return tuple(name for name, network in REGISTRY.items() if network.segments)
