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
from dicomnode.deliver.store_scu import echo as ask
from dicomnode.retrieve.probe import address_of, probe
from dicomnode.settings import NodeSettings


@app.command()
def echo(
    name: Annotated[
        str | None,
        typer.Argument(help="Of a destination or a source; all of them without one."),
    ] = None,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Ask destinations and sources for an answer.

    DIMSE peers by C-ECHO, DICOMweb sources by QIDO-RS. Exit code 0: all answer. 1: some do not.
    2: the configuration cannot be read, or has no peer of that name.
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
    for peer in settings.destinations:
        if name in (None, peer.name):
            answer = ask(peer, ae_title)
            address = f"{peer.ae_title}@{peer.host}:{peer.port}"
            works = answer.verdict is Verdict.ACCEPTED
            yield works, f"destination {peer.name}: {address}: {answer.words}"
    for source in settings.sources:
        if name in (None, source.name):
            probed = probe(source, ae_title)
            address = f"{source.kind} {address_of(source)}"
            yield probed.works, f"source {source.name}: {address}: {probed.words}"
