"""The application that every command registers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dicomnode.settings import NodeSettings, SettingsError, load_settings
from dicomnode.version import VERSION

app = typer.Typer(
    name="dicomnode",
    help="Turns radiologists' marks into soft masks and sends them back to the PACS. "
    "Research software, not for diagnosis.",
    no_args_is_help=True,
    # Names of sections, such as [retention], are words and no markup.
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)

console = Console()
"""For answers; errors go to `complain`."""

_errors = Console(stderr=True)

DEFAULT_CONFIGURATION = Path("/etc/dicomnode/node.toml")

Configuration = Annotated[
    Path,
    typer.Option("--config", "-c", help="The node's TOML file.", envvar="DICOMNODE_CONFIG"),
]


def complain(problem: str, status: int = 2) -> typer.Exit:
    """Print a problem to standard error and give the exit to raise."""
    _errors.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(status)


def configured(path: Path, status: int = 2) -> NodeSettings:
    """Load the settings, or leave with what is wrong with them, and with a status."""
    try:
        return load_settings(path)
    except SettingsError as error:
        raise complain(str(error), status) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        console.print(f"dicomnode {VERSION}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
) -> None:
    """Turn marks into soft masks. Research software, not for diagnosis."""
