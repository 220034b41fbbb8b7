"""``dicomnode audit``: read the audit trail, and see whether it is as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from dicomnode.audit.files import Mark
from dicomnode.audit.messages import LogUsed
from dicomnode.audit.participants import Participant
from dicomnode.audit.record import Record
from dicomnode.audit.service import command_trail
from dicomnode.audit.told import newest_records, told
from dicomnode.audit.trail import NotAudited
from dicomnode.audit.verify import verify as verify_journal
from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened_database
from dicomnode.commands.user import user

audit_app = typer.Typer(help="Read the audit trail, and see whether it is as it was written.")
app.add_typer(audit_app, name="audit")


@audit_app.command()
def verify(
    config: Configuration = DEFAULT_CONFIGURATION,
    folder: Annotated[
        Path | None, typer.Option(help="A journal elsewhere, such as in a backup.")
    ] = None,
    expect: Annotated[
        str, typer.Option(help="NUMBER:HASH of a record, as it was noted before.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
) -> None:
    """Hash every record again and follow the chain, also beside a running node.

    Exit code 0: the journal is whole. 1: it is not, and where. 2: it cannot be read.
    """
    place = folder or configured(config).store.audit
    if not place.is_dir():
        raise complain(f"{place}: no journal is there")
    try:
        found = verify_journal(place, expected=_expected(expect))
    except OSError as error:
        raise complain(f"{place}: cannot be read: {error.strerror}") from None
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"whole": found.whole}, indent=1))
    else:
        _say(f"{found.records} records in {found.files} files, {found.first} to {found.last}")
        if found.forgotten:
            _say(f"up to {found.forgotten} they were let go, as records say")
        for note in found.notes:
            _say(f"note: {note}")
        for one in found.breaks:
            where = f"{one.segment} line {one.line}" if one.line else one.segment
            _say(f"{one.damage.value}: {where}: {one.words}")
        if found.whole:
            _say(f"whole; to note elsewhere: {found.last}:{found.hash}")
    if not found.whole:
        raise typer.Exit(1)


@audit_app.command()
def show(
    config: Configuration = DEFAULT_CONFIGURATION,
    since: Annotated[
        str, typer.Option(help="A moment (2026-01-31 or 2026-01-31T12:00), or 12h, or 7d ago.")
    ] = "",
    study: Annotated[str, typer.Option(help="Only what names this Study Instance UID.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 200,
    as_json: Annotated[
        bool, typer.Option("--json", help="Records as they are, with their XML.")
    ] = False,
) -> None:
    """Show audit messages, the oldest first. That somebody does so is written down, too."""
    settings = configured(config)
    place = settings.store.audit
    if not place.is_dir():
        raise complain(f"{place}: no journal is there")
    after = _moment(since)
    try:
        found = newest_records(place, limit, study, after)
        with opened_database(settings) as database:
            used = LogUsed(Participant(user()), place.absolute().as_uri())
            command_trail(settings, database).note_durably(used)
    except NotAudited as error:
        raise complain(f"{error}: nothing is shown") from None
    except OSError as error:
        raise complain(f"{place}: cannot be read: {error.strerror}") from None
    if as_json:
        for record in found:
            typer.echo(json.dumps(asdict(record)))
        return
    table = Table()
    for name in ("number", "when", "what", "outcome", "who", "study or subject", "words"):
        # A UID that is cut short finds nothing.
        table.add_column(name, overflow="fold")
    for record in found:
        table.add_row(*_row(record))
    console.print(table)


def _row(record: Record) -> Iterator[Text]:
    one = told(record)
    values = (
        str(one.number),
        datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        one.event,
        one.outcome,
        "\n".join(one.who),
        "\n".join(one.subjects),
        one.words,
    )
    # They can hold what peers called themselves, brackets included.
    return iter([Text(value) for value in values])


def _moment(since: str) -> float:
    if not since:
        return 0.0
    if since[-1:] in ("h", "d") and since[:-1].replace(".", "", 1).isdigit():
        unit = "hours" if since[-1] == "h" else "days"
        return (datetime.now(UTC) - timedelta(**{unit: float(since[:-1])})).timestamp()
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        raise complain(
            f"found --since {since!r}, expected such as 2026-01-31, 2026-01-31T12:00, 12h or 7d"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _expected(text: str) -> Mark | None:
    if not text:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise complain(f"found --expect {text!r}, expected NUMBER:HASH as verify prints it")
    return Mark(int(number), digest.lower())


def _say(words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)
