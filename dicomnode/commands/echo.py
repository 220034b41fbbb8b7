"""``dicomnode echo``: are destinations and sources there?"""

from __future__ import annotations

from typing import Annotated

import typer

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.doctor.peers import peer_answers


@app.command()
def echo(
    name: Annotated[
        str | None,
        typer.Argument(help="Of a destination or a source; all of them without one."),
    ] = None,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Ask destinations and sources for an answer.

    DIMSE peers by C-ECHO, DICOMweb ones by QIDO-RS, folders by a look. Exit code 0: all answer. 1:
    some do not. 2: the configuration cannot be read, or has no peer of that name.
    """
    settings = configured(config)
    known = [peer.name for peer in (*settings.destinations, *settings.sources)]
    if name is not None and name not in known:
        raise complain(
            f"no destination or source is named {name!r}; known are: {', '.join(known) or 'none'}"
        )
    failed = 0
    for answer in peer_answers(settings, name):
        failed += not answer.works
        line = f"{answer.name}: {answer.words}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
