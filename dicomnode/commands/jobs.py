"""``dicomnode jobs``: every lesion, where it stands and why, and what is fetched for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    configured,
    console,
)
from dicomnode.commands.opened import opened
from dicomnode.deliver.standing import in_short
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Lesion, Result, Retrieval


@app.command()
def jobs(
    config: Configuration = DEFAULT_CONFIGURATION,
    state: Annotated[LesionState | None, typer.Option(help="Only lesions in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
) -> None:
    """List lesions, the newest first, and the images that are fetched for them."""
    query = (
        select(Lesion)
        .options(
            selectinload(Lesion.results).selectinload(Result.deliveries),
            selectinload(Lesion.retrievals),
        )
        .order_by(Lesion.id.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(Lesion.state == state)
    with opened(configured(config)) as session:
        lesions = session.scalars(query).all()
    table = Table("lesion", "state", "rule", "method", "ml", "s", "deliveries", "reason")
    for lesion in lesions:
        deliveries = [
            in_short(delivery) for result in lesion.results for delivery in result.deliveries
        ]
        table.add_row(
            str(lesion.id),
            lesion.state.value,
            Text(lesion.rule or ""),
            lesion.method or "",
            "" if lesion.volume_ml is None else f"{lesion.volume_ml:.2f}",
            "" if lesion.seconds is None else f"{lesion.seconds:.2f}",
            Text("\n".join(deliveries)),
            # It can quote what senders and administrators wrote, brackets included.
            Text(lesion.reason or "\n".join(lesion.warnings)),
        )
    console.print(table)
    retrievals = {r.id: r for lesion in lesions for r in lesion.retrievals}
    if retrievals:
        console.print(_retrievals(sorted(retrievals.values(), key=lambda r: -r.id), lesions))


def _retrievals(retrievals: Sequence[Retrieval], lesions: Sequence[Lesion]) -> Table:
    table = Table("to be fetched", "state", "lesions", "attempts", "images", "due", "last answer")
    for retrieval in retrievals:
        wanting = [lesion.id for lesion in lesions if retrieval in lesion.retrievals]
        queued = retrieval.state is RetrievalState.QUEUED
        table.add_row(
            retrieval.wanted,
            retrieval.state.value,
            ", ".join(map(str, sorted(wanting))),
            str(retrieval.attempts),
            str(retrieval.instances),
            datetime.fromtimestamp(retrieval.due_at, UTC).strftime("%H:%M:%S UTC")
            if queued
            else "",
            Text(retrieval.peer_words or ""),
        )
    return table
