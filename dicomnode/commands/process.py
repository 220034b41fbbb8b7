"""``dicomnode process``: the same pipeline over a folder, without a network."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from dicomnode.commands.app import app, complain, console
from dicomnode.logs import start_logging
from dicomnode.offline import Outcome, process_folder
from dicomnode.routing import Rule
from dicomnode.routing.networks import network_problem
from dicomnode.settings import RungName
from dicomnode.store.states import LesionState
from pipelines.networks.options import NetworkOptions
from pipelines.parameters import DEFAULT_METHOD

_COLUMNS = (
    "lesion",
    "state",
    "mark_object",
    "mark_item",
    "ct_series",
    "soft_volume_ml",
    "seconds",
    "seg",
    "reason",
    "warnings",
)

_RECORD = "fractional-seg"
_RESULTS = TypeAdapter(tuple[RungName, ...] | Literal["auto"])


@app.command()
def process(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="CT and marks.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the results go.")],
    method: Annotated[str, typer.Option(help="The matting method.")] = DEFAULT_METHOD,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, repeatable.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Workers.")] = os.cpu_count() or 1,
    results: Annotated[
        str,
        typer.Option(
            help="Which objects, as of a destination: names, with commas between, or auto."
        ),
    ] = "fractional-seg",
    weights: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A site's own weights of networks."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="What networks run on: auto, cpu, cuda or cuda:1.")
    ] = "auto",
) -> None:
    """Segment every mark in FOLDER: results, tables of them and a contact sheet in OUT."""
    try:
        rule = Rule(name="process", method=method, parameters=_parameters(parameter or []))
        wanted = _RESULTS.validate_python(results if results == "auto" else results.split(","))
    except ValidationError as error:
        raise complain(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
    try:
        networks = NetworkOptions(weights, device)
    except ValueError as error:
        raise complain(str(error)) from None
    problem = network_problem(method, networks)
    if problem is not None:
        raise complain(problem)
    start_logging("ERROR")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise complain(f"{out}: cannot be made: {error.strerror}") from None
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        files = bar.add_task("files", total=None)
        lesions = bar.add_task("lesions", total=None)

        def show(progress) -> None:
            bar.update(files, completed=progress.files)
            bar.update(
                lesions,
                completed=progress.ended,
                total=progress.lesions or None,
                description=progress.waiting or "lesions",
            )

        outcome = process_folder(
            folder,
            out,
            rule=rule,
            processes=processes,
            results=wanted,
            networks=networks,
            on_progress=show,
        )
    _report(outcome, out)
    if not any(lesion.state is LesionState.PUBLISHED for lesion in outcome.lesions):
        raise typer.Exit(1)


def _parameters(texts: list[str]) -> dict[str, float | int | str | bool]:
    parameters: dict[str, float | int | str | bool] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise complain(f"--parameter {text!r}: expected NAME=VALUE")
        parameters[name] = _number(value)
    return parameters


def _number(text: str) -> float | int | str | bool:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _list_objects(outcome: Outcome, out: Path) -> None:
    """Say of each object what it is, and of which lesion; those of a series are of none."""
    with open(out / "objects.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("lesion", "kind", "ct_series", "path"))
        for owner in (*outcome.lesions, *outcome.summaries):
            for result in owner.results:
                writer.writerow(
                    (
                        result.lesion_id,
                        result.kind,
                        owner.series_instance_uid,
                        os.path.relpath(result.path, out),
                    )
                )


def _report(outcome: Outcome, out: Path) -> None:
    # Matplotlib takes a second to import; no other command should wait for it.
    from dicomnode.pictures.contact_sheet import save_contact_sheet
    from dicomnode.pictures.panels import panel_of

    table = Table("lesion", "state", "soft ml", "s", Column("SEG or reason", overflow="fold"))
    panels = []
    with open(out / "summary.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for lesion in outcome.lesions:
            published = lesion.state is LesionState.PUBLISHED
            seg = next(
                (os.path.relpath(r.path, out) for r in lesion.results if r.kind == _RECORD), ""
            )
            volume = "" if lesion.volume_ml is None else f"{lesion.volume_ml:.4f}"
            seconds = "" if lesion.seconds is None else f"{lesion.seconds:.2f}"
            table.add_row(
                str(lesion.id),
                lesion.state.value,
                volume,
                seconds,
                Text(seg or lesion.reason or ""),
            )
            writer.writerow(
                [
                    lesion.id,
                    lesion.state.value,
                    lesion.source_sop_instance_uid,
                    lesion.mark["item"],
                    lesion.series_instance_uid,
                    volume,
                    seconds,
                    seg,
                    lesion.reason,
                    "; ".join(lesion.warnings),
                ]
            )
            if published:
                panels.append(panel_of(lesion, outcome.slices))
    _list_objects(outcome, out)
    console.print(table)
    for summary in outcome.summaries:
        if summary.reason is not None:
            console.print(
                f"series {summary.series_instance_uid}: no objects of all its lesions, "
                f"because {summary.reason}",
                markup=False,
                highlight=False,
            )
    for refusal in outcome.refusals:
        console.print(
            f"{refusal.source_sop_instance_uid} item {refusal.item}: not used, "
            f"because {refusal.reason}",
            markup=False,
            highlight=False,
        )
    for path, reason in outcome.skipped:
        console.print(f"{path}: skipped, because {reason}", markup=False, highlight=False)
    if not outcome.lesions:
        console.print("no mark was found", style="red")
    if panels:
        save_contact_sheet(panels, out / "contact_sheet.png")
