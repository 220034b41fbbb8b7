"""``dicomnode jobs``: every lesion, where it stands and why."""

from __future__ import annotations

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
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion, Result


@app.command()
def jobs(
    config: Configuration = DEFAULT_CONFIGURATION,
    state: Annotated[LesionState | None, typer.Option(help="Only lesions in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
) -> None:
    """List lesions, the newest first."""
    query = (
        select(Lesion)
        .options(selectinload(Lesion.results).selectinload(Result.deliveries))
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
            f"{delivery.destination}: {delivery.state.value}"
            for result in lesion.results
            for delivery in result.deliveries
        ]
        table.add_row(
            str(lesion.id),
            lesion.state.value,
            Text(lesion.rule or ""),
            lesion.method or "",
            "" if lesion.volume_ml is None else f"{lesion.volume_ml:.2f}",
            "" if lesion.seconds is None else f"{lesion.seconds:.2f}",
            "\n".join(deliveries),
            # It can quote what senders and administrators wrote, brackets included.
            Text(lesion.reason or "\n".join(lesion.warnings)),
        )
    console.print(table)
