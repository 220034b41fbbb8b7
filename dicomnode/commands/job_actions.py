"""``dicomnode jobs retry|cancel|discard|trace``: what an administrator can do to jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import select

from dicomnode.audit import Action, InstancesAccessed, Participant, StudyContent
from dicomnode.audit.service import command_trail
from dicomnode.audit.trail import NotAudited
from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened, opened_database
from dicomnode.commands.user import user
from dicomnode.jobs.by_hand import By, Change, Chosen, act, choose_deliveries, choose_lesions
from dicomnode.jobs.touched_studies import studies_touched
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, JobAction, LesionState
from dicomnode.store.tables import JobTrace

Lesions = Annotated[list[int] | None, typer.Option("--lesion", help="A lesion, by its number.")]
Deliveries = Annotated[
    list[int] | None, typer.Option("--delivery", help="A delivery, by its number.")
]
State = Annotated[
    str | None, typer.Option(help="All lesions, or deliveries, in this state: as `jobs` says it.")
]
Destination = Annotated[
    str | None, typer.Option(help="Deliveries to this destination, in the state if one is given.")
]
Why = Annotated[str, typer.Option(help="Kept with the trace. No patient data.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def retry(
    config: Configuration = DEFAULT_CONFIGURATION,
    lesion: Lesions = None,
    delivery: Deliveries = None,
    state: State = None,
    destination: Destination = None,
    why: Why = "",
) -> None:
    """Take up failed and refused lesions, dead letters, cancelled deliveries; send now what waits.

    A destination that counts as away is asked again at once.
    """
    _do(config, JobAction.RETRY, _chosen(lesion, delivery, state, destination), why, yes=True)


def cancel(
    config: Configuration = DEFAULT_CONFIGURATION,
    lesion: Lesions = None,
    delivery: Deliveries = None,
    state: State = None,
    destination: Destination = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Stop what is still to be done: lesions become refused, deliveries withdrawn."""
    _do(config, JobAction.CANCEL, _chosen(lesion, delivery, state, destination), why, yes)


def discard(
    config: Configuration = DEFAULT_CONFIGURATION,
    lesion: Lesions = None,
    delivery: Deliveries = None,
    state: State = None,
    destination: Destination = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Leave failed lesions and dead letters at that: no alert tells of them any more."""
    _do(config, JobAction.DISCARD, _chosen(lesion, delivery, state, destination), why, yes)


def trace(
    config: Configuration = DEFAULT_CONFIGURATION,
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
) -> None:
    """List who did what to which job, when and why."""
    with opened(configured(config)) as session:
        rows = session.scalars(select(JobTrace).order_by(JobTrace.id.desc()).limit(limit)).all()
    table = Table("when", "who", "did", "to", "was", "is", "why")
    for row in rows:
        table.add_row(
            datetime.fromtimestamp(row.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            Text(row.who),
            row.action.value,
            Text(f"{row.kind} {row.subject}"),
            row.before,
            row.after,
            Text(row.why),
        )
    console.print(table)


def _chosen(
    lesions: Sequence[int] | None,
    deliveries: Sequence[int] | None,
    state: str | None,
    destination: str | None,
) -> Chosen:
    if not (lesions or deliveries or state or destination):
        raise complain("name what is meant: --lesion, --delivery, --state or --destination")
    known = (*LesionState, *DeliveryState)
    if state is not None and state not in known:
        raise complain(f"found the state {state!r}, expected one of {', '.join(sorted(known))}")
    return Chosen(tuple(lesions or ()), tuple(deliveries or ()), state, destination)


def _do(config: Configuration, action: JobAction, chosen: Chosen, why: str, yes: bool) -> None:
    settings = configured(config)
    if not yes:
        with opened(settings) as session:
            lesions = len(choose_lesions(session, chosen))
            deliveries = len(choose_deliveries(session, chosen, action))
        typer.confirm(
            f"{action.value} {lesions} lesion(s) and {deliveries} deliver(ies)?", abort=True
        )
    try:
        with opened_database(settings) as database, database.write() as session:
            changes = act(session, action, chosen, By(user(), why))
            _audit(settings, database, studies_touched(session, changes), action)
    except NotAudited as error:
        raise complain(f"{error}: nothing was changed") from None
    found = {(change.kind, change.subject) for change in changes}
    _tell(changes)
    named = [("lesion", i) for i in chosen.lesions] + [("delivery", i) for i in chosen.deliveries]
    unknown = [f"{kind} {i}" for kind, i in named if (kind, str(i)) not in found]
    if unknown:
        raise complain(f"not there: {', '.join(unknown)}")


def _audit(
    settings: NodeSettings, database: Database, studies: Sequence[str], action: JobAction
) -> None:
    """Tell the trail before the rows count: what it cannot be told of does not happen."""
    if not studies:
        return
    trail = command_trail(settings, database)
    by, words = Participant(user()), f"jobs {action.value}"
    *others, last = [
        InstancesAccessed(by, StudyContent(uid), Action.UPDATE, reason=words) for uid in studies
    ]
    for message in others:
        trail.note(message)
    trail.note_durably(last)  # and the others before it


def _tell(changes: Sequence[Change]) -> None:
    for change in changes:
        what = f"{change.kind} {change.subject}: {change.before}"
        if change.why_not:
            what += f", left as it is: {change.why_not}"
        elif change.kind == "circuit":
            what += ", is asked again now"
        elif change.before == change.after:
            what += ", due now"
        else:
            what += f" -> {change.after}"
        console.print(what, markup=False, highlight=False, soft_wrap=True)
    done = sum(not change.why_not for change in changes)
    console.print(f"{done} changed, {len(changes) - done} left", highlight=False)
