"""``dicomnode study``: reader studies, made, watched, closed and counted."""

from __future__ import annotations

import json
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

from dicomnode.audit.messages import InstancesAccessed
from dicomnode.audit.participants import Participant, StudyContent
from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened, opened_database
from dicomnode.commands.user import user
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError
from dicomnode.store.lock import StoreInUse
from dicomnode.store.tables import ReaderStudy

if TYPE_CHECKING:
    from dicomnode.reader_study.definition import StudyDefinition
    from dicomnode.reader_study.making import Made
    from dicomnode.settings import NodeSettings

study_app = typer.Typer(
    help="Reader studies: readers choose blindly among candidate masks of lesions.",
    no_args_is_help=True,
)
app.add_typer(study_app, name="study")

Name = Annotated[str, typer.Argument(help="Name of the study.")]


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
        say(f"left out: {name}: {why}")
    say(f"{made.cases} cases; readers find it at /reader-studies/{made.study_id}")


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
        study = found_study(session, name)
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
            number = found_study(session, name).id
        if not yes:
            typer.confirm(f"Close {name} for good?", abort=True)
        was_open = close(database, number, user())
    say("closed" if was_open else "it was closed already")


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
            found_study(session, name)
        if not yes:
            typer.confirm(f"Delete {name} and every answer to it?", abort=True)
        try:
            delete_study(database, settings.store.path, name)
        except StoreInUse as error:
            raise complain(f"{error}: try again later") from None
        except OSError as error:
            raise complain(f"not all files were deleted: {error}") from None
    say("deleted")


def making(
    database: Database, settings: NodeSettings, definition: StudyDefinition, folder: Path
) -> Made:
    """Make a study, tell of each case, and audit whose images are kept with it.

    Leaves with why there is none.
    """
    from dicomnode.audit.service import command_trail
    from dicomnode.audit.trail import NotAudited
    from dicomnode.reader_study.ending import delete_study
    from dicomnode.reader_study.making import NotMade, make_study

    who, networks = user(), settings.networks.options
    with console.status("reading") as status:
        try:
            made = make_study(
                database,
                settings.store.path,
                definition,
                folder,
                who,
                networks,
                lambda name: status.update(name),
            )
        except (NotMade, FileNotFoundError, StorageError) as error:
            raise complain(f"no study was made: {error}") from None
    with database.read() as session:
        cases = session.get_one(ReaderStudy, made.study_id).cases
        looked_at = sorted({case.study_instance_uid for case in cases} - {None})
    try:
        trail = command_trail(settings, database)
        for uid in looked_at:
            trail.note_durably(InstancesAccessed(Participant(who), StudyContent(uid)))
    except NotAudited as error:
        delete_study(database, settings.store.path, definition.name)
        raise complain(f"no study was made: {error}") from None
    return made


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


def found_study(session: Session, name: str) -> ReaderStudy:
    """The study of a name; leaves where there is none."""
    study = session.scalar(select(ReaderStudy).where(ReaderStudy.name == name))
    if study is None:
        raise complain(f"found no reader study {name!r}: `dicomnode study list` has all")
    return study


def _day(moment: float | None) -> str:
    if moment is None:
        return "open"
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")


def say(words: str) -> None:
    """Print a line that may hold anything."""
    console.print(words, markup=False, highlight=False, soft_wrap=True)
