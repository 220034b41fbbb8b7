"""``dicomnode jobs``: every lesion, where it stands and why, what is fetched and sent back for it,
what it becomes for each destination, and which destinations are away.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.job_actions import cancel, discard, retry, trace
from dicomnode.commands.ladder_table import choices_in, ladder_table
from dicomnode.commands.opened import opened
from dicomnode.deliver.standing import in_short
from dicomnode.store.refusals import REFUSED
from dicomnode.store.states import DEAD_LETTERS, LesionState, RetrievalState, SummaryState
from dicomnode.store.tables import Circuit, Delivery, Lesion, RefusalReport, Result, Retrieval

_jobs = typer.Typer()
app.add_typer(_jobs, name="jobs")
for _action in (retry, cancel, discard, trace):
    _jobs.command()(_action)


@_jobs.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    config: Configuration = DEFAULT_CONFIGURATION,
    state: Annotated[LesionState | None, typer.Option(help="Only lesions in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
) -> None:
    """List lesions, the newest first, the images that are fetched for them, refusals that are sent
    back, and which results each destination gets, and why. Failed ones are taken up, cancelled and
    discarded by the commands below.
    """
    if context.invoked_subcommand is not None:
        given = [name for name in context.params if _is_given(context, name)]
        if given:  # else it would act on another node than the one that is named
            raise complain(
                f"--{given[0]} belongs after {context.invoked_subcommand!r}, where it is read"
            )
        return
    query = (
        select(Lesion)
        .options(
            # What is held back tells by which verdict of its lesion.
            selectinload(Lesion.results)
            .selectinload(Result.deliveries)
            .joinedload(Delivery.result)
            .joinedload(Result.lesion),
            selectinload(Lesion.verdicts),
            selectinload(Lesion.retrievals),
        )
        .order_by(Lesion.id.desc())
        .limit(limit)
    )
    if state is not None:
        query = query.where(Lesion.state == state)
    reported = (
        select(RefusalReport)
        .options(selectinload(RefusalReport.results).selectinload(Result.deliveries))
        .where(RefusalReport.results.any() | (RefusalReport.state != SummaryState.PUBLISHED))
        .order_by(RefusalReport.id.desc())
        .limit(limit)
    )
    dead_letters = (
        select(Delivery)
        .options(joinedload(Delivery.result))
        .where(Delivery.state.in_(DEAD_LETTERS))
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    settings = configured(config)
    with opened(settings) as session:
        lesions = session.scalars(query).all()
        reports = session.scalars(reported).all() if state in (None, *REFUSED) else []
        away = session.scalars(
            select(Circuit).where(Circuit.failures > 0).order_by(Circuit.destination)
        ).all()
        dead = session.scalars(dead_letters).all() if state is None else []
        ladders = [
            (destination, choice)
            for destination in settings.destinations
            for choice in choices_in(session, destination)
        ]
    table = Table("lesion", "state", "rule", "method", "ml", "s", "deliveries", "reason")
    for lesion in lesions:
        deliveries = [
            f"{delivery.id} {in_short(delivery)}"
            for result in lesion.results
            for delivery in result.deliveries
        ]
        if lesion.rule is not None and lesion.dry_run:
            deliveries = [f"dry run, not sent to {', '.join(lesion.destinations) or 'nobody'}"]
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
    if away:
        console.print(_circuits(away))
    if dead:
        console.print(_dead_letters(dead))
    if reports:
        console.print(_refusals(reports))
    if ladders:
        console.print(ladder_table(ladders))


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


def _refusals(reports: Sequence[RefusalReport]) -> Table:
    table = Table("refusals sent back", "state", "documents", "newest deliveries", "reason")
    for report in reports:
        newest = {d.destination: d for result in report.results for d in result.deliveries}
        table.add_row(
            report.source_sop_instance_uid,
            report.state.value,
            str(len(report.results)),
            Text("\n".join(map(in_short, newest.values()))),
            Text(report.reason or ""),
        )
    return table


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line, and not in the environment or nowhere."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _circuits(circuits: Sequence[Circuit]) -> Table:
    table = Table("destination", "circuit", "away since", "failures", "next probe", "last answer")
    for circuit in circuits:
        table.add_row(
            Text(circuit.destination),
            circuit.state.value,
            _moment(circuit.opened_at),
            str(circuit.failures),
            _moment(circuit.probe_at),
            Text(circuit.words or ""),
        )
    return table


def _dead_letters(deliveries: Sequence[Delivery]) -> Table:
    """Of results of any kind, with what the peer said: what has to be mended before a retry."""
    table = Table("dead letter", "destination", "result", "state", "attempts", "last answer")
    for delivery in deliveries:
        result = delivery.result
        of = "a series" if result.lesion_id is None else f"lesion {result.lesion_id}"
        if result.refusal_report_id is not None:
            of = "refused marks"
        table.add_row(
            str(delivery.id),
            Text(delivery.destination),
            f"{result.kind} of {of}",
            delivery.state.value,
            str(delivery.attempts),
            Text(delivery.peer_words or ""),
        )
    return table


def _moment(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
