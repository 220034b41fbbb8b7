"""``dicomnode study``: reader studies, made, watched, closed and counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened, opened_database
from dicomnode.commands.study_tables import result_tables
from dicomnode.commands.user import user
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError
from dicomnode.store.lock import StoreInUse
from dicomnode.store.reader_studies import ReaderStudy

if TYPE_CHECKING:
    from dicomnode.reader_study.making import Made
    from dicomnode.settings import NodeSettings

study_app = typer.Typer(
    help="Reader studies: readers choose blindly among candidate masks of lesions.",
    no_args_is_help=True,
)
app.add_typer(study_app, name="study")

Name = Annotated[str, typer.Argument(help="Name of the study.")]
Interim = Annotated[
    bool,
    typer.Option(
        help="Also of a study that is open. Who has seen results must not take part any more."
    ),
]


@study_app.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="A TOML file: config/reader-study.toml.")],
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Make a study: compute every case, and keep it in the node's store.

    The node may run meanwhile, or not. Where the configuration names a store that is not there yet,
    it is made, for a study of files alone.
    """
    from dicomnode.reader_study.definition import StudyDefinitionError, load_definition

    settings = configured(config)
    try:
        definition = load_definition(file)
    except StudyDefinitionError as error:
        raise complain(str(error)) from None
    _make_store(settings)
    with opened_database(settings) as database:
        made = making(database, settings, definition, file.parent)
    for name, why in made.left_out:
        _say(f"left out: {name}: {why}")
    _say(f"{made.cases} cases; readers find it at /reader-studies/{made.study_id}")


@study_app.command("list")
def show_all(
    config: Configuration = DEFAULT_CONFIGURATION,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List all studies, and how far their readers are."""
    from dicomnode.web.reader_study.shown import standings

    with opened(configured(config)) as session:
        found = standings(session)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in found.rows], indent=1))
        return
    table = Table("name", "title", "cases", "answered", "closed")
    for row in found.rows:
        answered = ", ".join(f"{one.reader} {one.answered}/{one.total}" for one in row.readers)
        table.add_row(
            row.name, Text(row.title), str(row.cases), Text(answered), _day(row.closed_at)
        )
    console.print(table)


@study_app.command("show")
def show(
    name: Name,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Show what a study was made of: its definition and, of each case, how candidates were made.

    It tells which candidate is which method, and not which letter a reader sees it under.
    """
    with opened(configured(config)) as session:
        study = _found(session, name)
        cases = [
            {
                "number": case.number,
                "name": case.name,
                "repeated": case.repeated,
                "lesion": case.lesion_id,
                "images": "kept" if case.path else "deleted with their study",
                "sha256": case.digest,
                "candidates": case.provenance,
            }
            for case in study.cases
        ]
        told = {"definition": study.definition, "made_by": study.made_by, "cases": cases}
    typer.echo(json.dumps(told, indent=1))


@study_app.command("close")
def close_study(
    name: Name,
    config: Configuration = DEFAULT_CONFIGURATION,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take no more answers, for good: from then on results are shown."""
    from dicomnode.reader_study.ending import close

    with opened_database(configured(config)) as database:
        with database.read() as session:
            number = _found(session, name).id
        if not yes:
            typer.confirm(f"Close {name} for good?", abort=True)
        was_open = close(database, number, user())
    _say("closed" if was_open else "it was closed already")


@study_app.command("results")
def results(
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
        _say("interim: the study is open")
    _say(NOTICE)


@study_app.command("export")
def export(
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
            _say(str(out / file))
    except OSError as error:
        raise complain(f"{out}: cannot be written: {error.strerror}") from None


@study_app.command("delete")
def delete(
    name: Name,
    config: Configuration = DEFAULT_CONFIGURATION,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a study with its images and all that readers answered."""
    from dicomnode.reader_study.ending import delete_study

    settings = configured(config)
    with opened_database(settings) as database:
        with database.read() as session:
            _found(session, name)
        if not yes:
            typer.confirm(f"Delete {name} and every answer to it?", abort=True)
        try:
            delete_study(database, settings.store.path, name)
        except StoreInUse as error:
            raise complain(f"{error}: try again later") from None
        except OSError as error:
            raise complain(f"not all files were deleted: {error}") from None
    _say("deleted")


def making(database: Database, settings: NodeSettings, definition, folder: Path) -> Made:
    """Make a study and tell of each case; leaves with why there is none."""
    from dicomnode.reader_study.making import NotMade, make_study

    with console.status("reading") as status:
        try:
            return make_study(
                database,
                settings.store.path,
                definition,
                folder,
                user(),
                settings.networks.options,
                lambda name: status.update(name),
            )
        except (NotMade, FileNotFoundError, StorageError) as error:
            raise complain(f"no study was made: {error}") from None


def _make_store(settings: NodeSettings) -> None:
    """A store for studies of files alone, where there is no node."""
    file = make_url(settings.store.url).database
    if not settings.store.url.startswith("sqlite") or Path(file).is_file():
        return
    try:
        settings.store.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise complain(f"{settings.store.path}: cannot be made: {error.strerror}") from None
    database = Database(settings.store.url)
    database.upgrade()
    database.close()


@contextmanager
def _unblinded(config: Path, name: str, interim: bool) -> Iterator[tuple[Session, ReaderStudy]]:
    with opened(configured(config)) as session:
        study = _found(session, name)
        if study.closed_at is None and not interim:
            raise complain(
                f"{name} is open: close it first, or ask with --interim, after which nobody who "
                "has seen results must take part"
            )
        yield session, study


def _found(session: Session, name: str) -> ReaderStudy:
    study = session.scalar(select(ReaderStudy).where(ReaderStudy.name == name))
    if study is None:
        raise complain(f"found no reader study {name!r}: `dicomnode study list` has all")
    return study


def _day(moment: float | None) -> str:
    if moment is None:
        return "open"
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _say(words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)
