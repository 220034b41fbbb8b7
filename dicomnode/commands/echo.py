"""``dicomnode echo``: are destinations and sources there?"""

from __future__ import annotations

from collections.abc import Iterator
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
from dicomnode.retrieve.probe import address_of as address_of_source
from dicomnode.retrieve.probe import probe as probe_source
from dicomnode.settings import Destination, DicomDestination, NodeSettings


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
    for works, line in _answers(settings, name):
        failed += not works
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)


def _answers(settings: NodeSettings, name: str | None) -> Iterator[tuple[bool, str]]:
    """Whether each peer answers, and what there is to say of it."""
    ae_title = settings.listen.ae_title
    for destination in settings.destinations:
        if name in (None, destination.name):
            works, words = _ask(destination, ae_title)
            yield works, f"destination {destination.name}: {address_of(destination)}: {words}"
    for source in settings.sources:
        if name in (None, source.name):
            probed = probe_source(source, ae_title)
            address = f"{source.kind} {address_of_source(source)}"
            yield probed.works, f"source {source.name}: {address}: {probed.words}"


def _ask(destination: Destination, ae_title: str) -> tuple[bool, str]:
    if isinstance(destination, DicomDestination):
        answer = ask(destination, ae_title)
        return answer.verdict is Verdict.ACCEPTED, answer.words
    outcome = probe(destination, ae_title)
    return outcome.answered, outcome.words
