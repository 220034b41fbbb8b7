"""The training loop: stopped at any step and resumed, it gives the same weights to the bit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from pipelines.training.checkpoints import read_checkpoint, write_checkpoint
from pipelines.training.recist_task import Batch, RecistTask
from pipelines.training.schedule import AveragedWeights, rate_at
from pipelines.training.settings import TrainingSettings

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_REPORT_EVERY = 20


@dataclass(frozen=True)
class TrainingProgress:
    """What is known after some steps.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        Mean since the last report.
    rate : float
        Learning rate.
    seconds : float
        Since this process began to train.
    scores : dict
        Of a validation, if there was one.
    """

    step: int
    loss: float
    rate: float
    seconds: float
    scores: dict[str, float]


def device_of(name: str) -> torch.device:
    """The device of a configuration's name; `auto` takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def train(
    settings: TrainingSettings,
    report: Callable[[TrainingProgress], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Path:
    """Train from the last checkpoint on, or from the first step.

    Parameters
    ----------
    settings : TrainingSettings
    report : callable
        Told of the progress every few steps and after each validation.
    stopping : callable
        Asked after each step; True keeps a checkpoint and returns.

    Returns
    -------
    Path
        The last checkpoint.

    Raises
    ------
    CheckpointError
        If the folder holds a checkpoint of another network or seed.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = device_of(settings.device)
    task = RecistTask(settings)
    network = task.network().to(device=device, memory_format=torch.channels_last)
    how = settings.optimiser
    optimiser = torch.optim.AdamW(
        [
            {"params": [p for p in network.parameters() if p.dim() > 1]},
            # Norms and biases are not pulled to zero.
            {"params": [p for p in network.parameters() if p.dim() <= 1], "weight_decay": 0.0},
        ],
        lr=how.learning_rate,
        weight_decay=how.weight_decay,
    )
    average = AveragedWeights(network, how.average)
    settings.folder.mkdir(parents=True, exist_ok=True)
    path = settings.folder / CHECKPOINT
    done = 0
    if path.exists():
        done = read_checkpoint(path, settings.seed, network, optimiser, average)

    def keep() -> None:
        write_checkpoint(path, done, settings.seed, network, optimiser, average)

    log = _Log(settings.folder)
    start, total, count = time.monotonic(), 0.0, 0
    judge = task.network().to(device=device, memory_format=torch.channels_last).eval()
    while done < settings.steps:
        network.train()
        rate = rate_at(done, settings.steps, how)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = _moved(task.batch(done), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = task.loss(network, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), how.clip)
        optimiser.step()
        average.update(network, done)
        done, total, count = done + 1, total + float(loss.detach()), count + 1
        last = done == settings.steps
        scores = {}
        if last or done % settings.validate_every == 0:
            judge.load_state_dict(average.state)
            scores = task.validate(judge)
        stop = stopping()
        if last or stop or done % settings.keep_every == 0:
            keep()
        if scores or stop or last or done % _REPORT_EVERY == 0:
            progress = TrainingProgress(done, total / count, rate, time.monotonic() - start, scores)
            log.add(progress)
            report(progress)
            total, count = 0.0, 0
        if stop:
            break
    return path


def _moved(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(part.to(device) for part in (batch.channels, batch.target, batch.weight)))


class _Log:
    """Progress as JSON lines and, where TensorBoard is installed, for it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG
        self.board = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self.board = SummaryWriter(folder / "board")

    def add(self, progress: TrainingProgress) -> None:
        """Write it down."""
        with open(self.path, "a") as file:
            file.write(json.dumps(asdict(progress)) + "\n")
        if self.board is not None:
            values = {"loss": progress.loss, "rate": progress.rate, **progress.scores}
            for name, value in values.items():
                self.board.add_scalar(name, value, progress.step)
            self.board.flush()
