"""``dicomnode token``: who may use the web service."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.settings import NodeSettings
from dicomnode.web.access.tokens import TokenFile, TokensError, tokens_path

token_app = typer.Typer(
    help="Tokens by which people and programs sign in to the web service.", no_args_is_help=True
)
app.add_typer(token_app, name="token")


@token_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whose it is; pages and the audit trail show it.")],
    role: Annotated[
        str, typer.Option(help="viewer, operator or administrator; each may what the former may.")
    ],
    days: Annotated[
        float | None, typer.Option(min=0.01, help="It ends then; without, never.")
    ] = None,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Make a token and print it, once: only a hash of it is kept.

    It is in force at once, also in a node that runs. To sign in with it at a browser, or as
    `Authorization: Bearer`.
    """
    file = _file(configured(config))
    try:
        shown = file.add(name, role, days)
    except (OSError, TokensError) as error:
        raise complain(f"no token was made: {error}") from None
    typer.echo(shown)


@token_app.command("list")
def show(
    config: Configuration = DEFAULT_CONFIGURATION,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """List tokens: their keys, names and roles."""
    file = _file(configured(config))
    try:
        found = file.all()
    except (OSError, TokensError) as error:
        raise complain(f"{file.path}: {error}") from None
    if as_json:
        rows = [{k: v for k, v in asdict(one).items() if k != "digest"} for one in found]
        typer.echo(json.dumps(rows))
        return
    table = Table("key", "name", "role", "made", "ends")
    for one in found:
        ends = "never" if not one.ends_at else _day(one.ends_at)
        table.add_row(
            one.key, one.name, one.role, _day(one.made_at), ends if one.holds() else f"{ends}, over"
        )
    console.print(table)


@token_app.command("revoke")
def revoke(
    which: Annotated[str, typer.Argument(metavar="KEY|NAME", help="A key, or all of a name.")],
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Take tokens away, with the sessions that were begun with them, at once."""
    file = _file(configured(config))
    try:
        gone = file.revoke(which)
    except (OSError, TokensError) as error:
        raise complain(f"nothing was revoked: {error}") from None
    if not gone:
        raise complain(f"no token has the key or name {which!r}: `dicomnode token list` has all")
    for one in gone:
        typer.echo(f"{one.key} of {one.name} ({one.role}) is revoked")


def _file(settings: NodeSettings) -> TokenFile:
    return TokenFile(tokens_path(settings.web, settings.store.path))


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")
