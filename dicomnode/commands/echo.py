"""``dicomnode echo``: is a destination there?"""

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
from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.store_scu import echo as ask


@app.command()
def echo(
    destination: Annotated[
        str | None, typer.Argument(help="Its name; all of them without one.")
    ] = None,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Ask destinations for an answer by C-ECHO."""
    settings = configured(config)
    try:
        asked = (
            settings.destinations if destination is None else (settings.destination(destination),)
        )
    except KeyError as error:
        raise complain(error.args[0]) from None
    failed = 0
    for peer in asked:
        answer = ask(peer, settings.listen.ae_title)
        failed += answer.verdict is not Verdict.ACCEPTED
        console.print(
            f"{peer.name}: {peer.ae_title}@{peer.host}:{peer.port}: {answer.words}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if failed:
        raise typer.Exit(1)
