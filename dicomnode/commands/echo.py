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
from dicomnode.deliver.capabilities import address_of
from dicomnode.deliver.probe import probe
from dicomnode.deliver.store_scu import echo as ask
from dicomnode.settings import Destination, DicomDestination


@app.command()
def echo(
    destination: Annotated[
        str | None, typer.Argument(help="Its name; all of them without one.")
    ] = None,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Ask whether destinations are there: by C-ECHO, a query, or a look at the folder."""
    settings = configured(config)
    try:
        asked = (
            settings.destinations if destination is None else (settings.destination(destination),)
        )
    except KeyError as error:
        raise complain(error.args[0]) from None
    failed = 0
    for peer in asked:
        there, words = _ask(peer, settings.listen.ae_title)
        failed += not there
        console.print(
            f"{peer.name}: {address_of(peer)}: {words}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    if failed:
        raise typer.Exit(1)


def _ask(destination: Destination, ae_title: str) -> tuple[bool, str]:
    if isinstance(destination, DicomDestination):
        answer = ask(destination, ae_title)
        return answer.verdict is Verdict.ACCEPTED, answer.words
    outcome = probe(destination, ae_title)
    return outcome.answered, outcome.words
