"""Trained weights as the package ships them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from pipelines.training.settings import TrainingSettings
from pipelines.training.tasks import task_of


def export_weights(settings: TrainingSettings, checkpoint: Path, path: Path) -> None:
    """Write the averaged weights of a checkpoint in half precision, for `models.registry`.

    The file says of the network what it takes to make it again from the file alone.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    task = task_of(settings)
    about = {
        **task.about(),
        "format": "pt",
        "network": task.name,
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
