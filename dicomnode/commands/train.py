"""``dicomnode train``: train a network from a configuration."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicomnode.commands.app import app, complain, console


@app.command()
def train(
    configuration: Annotated[Path, typer.Argument(help="A TOML file such as config/train/*.toml.")],
    weights: Annotated[
        Path | None, typer.Option(help="Write the averaged weights here as safetensors.")
    ] = None,
) -> None:
    """Train a network, from its last checkpoint on where there is one.

    Stopped with Ctrl-C or SIGTERM it keeps a checkpoint; the same command goes on from there.
    Needs the extra `networks`. Research only, not for diagnosis.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise complain(
            "training needs PyTorch: install the extra `networks` of this package"
        ) from None
    from models import NoWeightsError
    from pipelines.training.checkpoints import CheckpointError
    from pipelines.training.export import export_weights
    from pipelines.training.loop import DivergenceError, TrainingProgress
    from pipelines.training.loop import train as run
    from pipelines.training.settings import TrainingSettingsError, load_training_settings

    try:
        settings = load_training_settings(configuration)
    except TrainingSettingsError as error:
        raise complain(str(error)) from None
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar, _StopAsked() as asked:
        shown = bar.add_task("loading", total=settings.steps)

        def report(progress: TrainingProgress) -> None:
            bar.update(shown, completed=progress.step, description=f"loss {progress.loss:.4f}")
            if progress.scores:
                found = ", ".join(f"{name} {value:.4f}" for name, value in progress.scores.items())
                console.print(f"step {progress.step}: {found}", highlight=False)

        try:
            checkpoint = run(settings, report, asked)
        except (CheckpointError, DivergenceError, FileNotFoundError, NoWeightsError) as error:
            raise complain(str(error)) from None
    console.print(f"checkpoint: {checkpoint}", highlight=False)
    if weights is not None:
        export_weights(settings, checkpoint, weights)
        console.print(f"weights: {weights}", highlight=False)


class _StopAsked:
    """Whether someone asked the process to stop, which then is no interruption."""

    def __enter__(self) -> _StopAsked:
        self.stop = False
        self.before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: object) -> None:
        self.stop = True

    def __call__(self) -> bool:
        return self.stop
