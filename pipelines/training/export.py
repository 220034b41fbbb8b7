"""Trained weights as the package ships them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from pipelines.training.recist_task import RecistTask
from pipelines.training.settings import TrainingSettings


def export_weights(settings: TrainingSettings, checkpoint: Path, path: Path) -> None:
    """Write the averaged weights of a checkpoint in half precision, for `models.registry`.

    The file says how wide the network is, so that it can be made again from it alone.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    about = {
        "format": "pt",
        "network": RecistTask.name,
        "widths": ",".join(str(width) for width in settings.network.widths),
        "blocks": str(settings.network.blocks),
        "step": str(state["step"]),
        "seed": str(settings.seed),
    }
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in state["average"].items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=about)
    # The library writes for its user alone.
    path.chmod(0o644)
