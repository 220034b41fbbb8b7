"""``dicomnode study results`` and ``export``: what came of a study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened
from dicomnode.commands.study import Name, found_study, say, study_app
from dicomnode.commands.study_tables import result_tables
from dicomnode.store.tables import ReaderStudy

Interim = Annotated[
    bool,
    typer.Option(
        help="Also of a study that is open. Who has seen results must not take part any more."
    ),
]


@study_app.command("results")
def study_results_command(
    name: Name,
    config: Configuration = DEFAULT_CONFIGURATION,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON.")] = False,
    interim: Interim = False,
) -> None:
    """Show preference, agreement, repeats and places of a closed study."""
    from dicomnode.reader_study.exports import NOTICE, results_json
    from dicomnode.reader_study.readings import study_results

    with _unblinded(config, name, interim) as (session, study):
        if as_json:
            typer.echo(json.dumps(results_json(session, study), indent=1))
            return
        found = study_results(session, study)
    for table in result_tables(found):
        console.print(table)
    if study.closed_at is None:
        say("interim: the study is open")
    say(NOTICE)


@study_app.command("export")
def study_export(
    name: Name,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")],
    config: Configuration = DEFAULT_CONFIGURATION,
    interim: Interim = False,
) -> None:
    """Write answers as CSV, one row each, and all figures as JSON."""
    from dicomnode.reader_study.exports import answers_csv, origins_csv, results_json

    with _unblinded(config, name, interim) as (session, study):
        texts = {
            f"{name}-answers.csv": answers_csv(session, study),
            f"{name}-results.json": json.dumps(results_json(session, study), indent=1) + "\n",
        }
        if study.asks_origin:
            texts[f"{name}-origins.csv"] = origins_csv(session, study)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (out / file).write_text(text, encoding="utf-8", newline="")
            say(str(out / file))
    except OSError as error:
        raise complain(f"{out}: cannot be written: {error.strerror}") from None


@contextmanager
def _unblinded(config: Path, name: str, interim: bool) -> Iterator[tuple[Session, ReaderStudy]]:
    with opened(configured(config)) as session:
        study = found_study(session, name)
        if study.closed_at is None and not interim:
            raise complain(
                f"{name} is open: close it first, or ask with --interim, after which nobody who "
                "has seen results must take part"
            )
        yield session, study
