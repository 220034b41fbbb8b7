"""``dicomnode explain``: why something was, or was not, processed."""

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
from dicomnode.commands.opened import opened
from dicomnode.explain import explain as explain_uid


@app.command()
def explain(
    uid: Annotated[
        str, typer.Argument(help="A SOP, series or study instance UID: a mark's, a CT's, a SEG's.")
    ],
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Say what the node knows of a UID, and why it did what it did."""
    settings = configured(config)
    with opened(settings) as session:
        names = [destination.name for destination in settings.destinations]
        lines = list(explain_uid(session, uid, names))
    if not lines:
        raise complain(
            f"{uid}: never received here, and no mark refers to it. "
            "Was it refused? The log then holds the status that its sender was given."
        )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
