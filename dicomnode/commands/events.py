"""``dicomnode events``: what the log may say."""

from __future__ import annotations

import typer

from dicomnode.commands.app import app
from dicomnode.events.catalogue import page


@app.command()
def events() -> None:
    """Print the catalogue of the log's events as Markdown."""
    typer.echo(page(), nl=False)
