"""``dicomnode evaluate``: the papers' tables for the methods that are here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicomnode.commands.app import app, complain, console
from dicomnode.version import VERSION


@app.command()
def evaluate(
    configuration: Annotated[Path, typer.Argument(help="A TOML file: config/evaluate.toml.")],
) -> None:
    """Score every method on phantoms and readers' nodules, and write a report.

    What is scored is kept in the folder of the results: stopped, the same command goes on from
    there. Research only, not for diagnosis.
    """
    from pipelines.evaluation.run import Progress as Done
    from pipelines.evaluation.run import evaluate as run
    from pipelines.evaluation.settings import EvaluationSettingsError, load_evaluation_settings

    try:
        settings = load_evaluation_settings(configuration)
    except EvaluationSettingsError as error:
        raise complain(str(error)) from None
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("starting", total=None)

        def tell(done: Done) -> None:
            if done.total:
                bar.update(shown, completed=done.done, total=done.total, description=done.now)
            else:
                bar.update(shown, description=done.now)

        command = f"dicomnode evaluate {configuration}"
        try:
            report = run(settings, command, VERSION, tell)
        except FileNotFoundError as error:
            raise complain(str(error)) from None
    console.print(f"report: {report}", highlight=False)
