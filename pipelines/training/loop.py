"""The training loop: stopped at any step and resumed, it gives the same weights to the bit."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipelines.training.checkpoints import read_checkpoint, write_checkpoint
from pipelines.training.schedule import AveragedWeights, rate_at
from pipelines.training.settings import OptimiserSettings, TrainingSettings
from pipelines.training.task import MAIN, Batch, Task
from pipelines.training.tasks import task_of

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
_REPORT_EVERY = 20


class DivergenceError(ArithmeticError):
    """A loss or its gradient is not finite; the last checkpoint is from before."""


@dataclass(frozen=True)
class TrainingProgress:
    """What is known after some steps.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        Of the network that is exported, mean since the last report.
    rate : float
        Learning rate.
    seconds : float
        Since this process began to train.
    scores : dict
        Of a validation, if there was one.
    other_losses : dict
        Of other turns, such as a discriminator's; means since the last report.
    """

    step: int
    loss: float
    rate: float
    seconds: float
    scores: dict[str, float]
    other_losses: dict[str, float] = field(default_factory=dict)


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
    DivergenceError
        If a loss or its gradient is not finite. Nothing is learned of it, no checkpoint written.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = device_of(settings.device)
    task = task_of(settings)
    networks = {name: _placed(network, device) for name, network in task.networks().items()}
    turns = [
        _Turn(name, [networks[one] for one in learning], settings.optimiser)
        for name, learning in task.turns.items()
    ]
    optimisers = {turn.name: turn.optimiser for turn in turns}
    average = AveragedWeights(networks[MAIN], settings.optimiser.average)
    settings.folder.mkdir(parents=True, exist_ok=True)
    path = settings.folder / CHECKPOINT
    done = 0
    if path.exists():
        done = read_checkpoint(path, settings.seed, networks, optimisers, average)
    log = _Log(settings.folder)
    start, totals = time.monotonic(), _Totals()
    judge = copy.deepcopy(networks[MAIN]).eval()
    for batch in _batches(task, range(done, settings.steps), settings.workers):
        for network in networks.values():
            network.train()
        rate = rate_at(done, settings.steps, settings.optimiser)
        batch = _moved(batch, device)
        for number, turn in enumerate(turns):
            # What losses draw follows from the step, also after a resume.
            torch.manual_seed(_seed(settings.seed, done, number))
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = task.loss(turn.name, networks, batch, done)
            if loss is not None:
                if not turn.learn(loss, rate):
                    raise DivergenceError(
                        f"step {done + 1}: found loss {float(loss.detach()):.3g} of {turn.name!r} "
                        "and a gradient that is not finite, expected a finite one: lower "
                        "learning_rate or clip"
                    )
                totals.add(turn.name, float(loss.detach()))
        average.update(networks[MAIN], done)
        done += 1
        last = done == settings.steps
        scores = {}
        if last or done % settings.validate_every == 0:
            judge.load_state_dict(average.state)
            scores = task.validate(judge)
        stop = stopping()
        if last or stop or done % settings.keep_every == 0:
            write_checkpoint(path, done, settings.seed, networks, optimisers, average)
        if scores or stop or last or done % _REPORT_EVERY == 0:
            means, totals = totals.means(), _Totals()
            seconds = time.monotonic() - start
            progress = TrainingProgress(done, means.pop(MAIN), rate, seconds, scores, means)
            log.add(progress)
            report(progress)
        if stop:
            break
    return path


class _Steps(torch.utils.data.Dataset):
    """Batches by their step."""

    def __init__(self, task: Task) -> None:
        self.task = task

    def __getitem__(self, step: int) -> object:
        return self.task.batch(step)


def _batches(task: Task, steps: range, workers: int) -> Iterable:
    """The batches of steps, in order; made ahead by other processes where there are any."""
    if workers and steps:
        # Read here once, lesions are shared by the processes.
        task.batch(steps[0])
    return torch.utils.data.DataLoader(
        _Steps(task), batch_size=None, sampler=steps, num_workers=workers
    )


class _Turn:
    """Networks that learn together, and what changes them."""

    def __init__(self, name: str, networks: list[nn.Module], how: OptimiserSettings) -> None:
        self.name, self.clip = name, how.clip
        self.learning = [p for one in networks for p in one.parameters() if p.requires_grad]
        if how.kind == "adam":
            self.optimiser: torch.optim.Optimizer = torch.optim.Adam(
                self.learning, how.learning_rate, how.betas, weight_decay=how.weight_decay
            )
            return
        groups = [
            {"params": [p for p in self.learning if p.dim() > 1]},
            # Norms and biases are not pulled to zero.
            {"params": [p for p in self.learning if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, how.learning_rate, how.betas, weight_decay=how.weight_decay
        )

    def learn(self, loss: Tensor, rate: float) -> bool:
        """One step of the optimiser, unless its gradient is not finite: then False.

        No other network's gradient is computed.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward(inputs=self.learning)
        norm = torch.nn.utils.clip_grad_norm_(self.learning, self.clip)
        if not torch.isfinite(norm):
            return False
        self.optimiser.step()
        return True


class _Totals:
    """Losses since the last report."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, turn: str, loss: float) -> None:
        """One step's."""
        total, count = self._sums.get(turn, (0.0, 0))
        self._sums[turn] = total + loss, count + 1

    def means(self) -> dict[str, float]:
        """By turns, of the steps in which they took place."""
        return {turn: total / count for turn, (total, count) in self._sums.items()}


def _placed(network: nn.Module, device: torch.device) -> nn.Module:
    if any(parameter.dim() > 4 for parameter in network.parameters()):
        return network.to(device)
    return network.to(device=device, memory_format=torch.channels_last)


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _moved(batch: Batch, device: torch.device) -> Batch:
    parts = {part.name: getattr(batch, part.name).to(device) for part in fields(batch)}
    return replace(batch, **parts)


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
            values |= {f"loss_of_{turn}": loss for turn, loss in progress.other_losses.items()}
            for name, value in values.items():
                self.board.add_scalar(name, value, progress.step)
            self.board.flush()
