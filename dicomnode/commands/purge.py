"""``dicomnode purge``: delete what `[retention]` lets go, or a study by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from dicomnode.audit.service import command_trail
from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened, opened_database
from dicomnode.commands.user import user
from dicomnode.retention.plan import Planned, kept_bytes, plan_purge
from dicomnode.retention.purge import By, NotPurged, finish_purges, purge_study
from dicomnode.retention.standing import promises_of, standing_of
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.lock import FilesLock, StoreInUse
from dicomnode.store.states import StudyState

_NOT_BUSY = tuple(state for state in StudyState if state is not StudyState.BUSY)


@app.command()
def purge(
    config: Configuration = DEFAULT_CONFIGURATION,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would go, and why. Delete nothing.")
    ] = False,
    study: Annotated[
        list[str] | None,
        typer.Option(help="This study, by its UID, unless something of it is still to be done."),
    ] = None,
    why: Annotated[str, typer.Option(help="Kept with the trail. No patient data.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete studies that [retention] lets go now, or those that are named.

    Also beside a running node. Rows of lesions, results and deliveries stay, and `dicomnode
    explain` says who deleted what, when and why. Exit code 0: done. 1: some were left. 2: it could
    not be done.
    """
    settings = configured(config)
    with opened(settings) as session:
        planned = _named(session, settings, study, why) if study else plan_purge(session, settings)
        kept = kept_bytes(session)
    if as_json:
        typer.echo(json.dumps([asdict(one.study) | {"purged_because": one.why} for one in planned]))
    else:
        _tell(planned, kept, settings)
    if dry_run:
        return
    if planned and not yes:
        typer.confirm(f"Delete {len(planned)} studies?", abort=True)
    left = 0
    try:
        with FilesLock(settings.store.path), opened_database(settings) as database:
            finish_purges(database)  # what was broken off
            for one in planned:
                left += not _delete(database, one, settings)
    except StoreInUse as error:
        raise complain(f"{error}: try again later") from None
    except OSError as error:
        raise complain(f"not all was deleted: {error}; try again, or restart the node") from None
    if left:
        raise typer.Exit(1)


def _delete(database: Database, one: Planned, settings: NodeSettings) -> bool:
    uid = one.study.study_instance_uid
    try:
        purge_study(
            database,
            uid,
            By(user(), one.why),
            promises_of(settings.destinations),
            (one.study.state,),
            command_trail(settings, database),
        )
    except NotPurged as error:
        console.print(f"left: {error}", markup=False, highlight=False, soft_wrap=True)
        return False
    return True


def _named(
    session: Session, settings: NodeSettings, studies: Sequence[str], why: str
) -> list[Planned]:
    """Those that were named by hand; leaves where one of them must not go."""
    planned = []
    for uid in dict.fromkeys(studies):
        found = standing_of(session, uid, promises_of(settings.destinations))
        if found is None:
            raise complain(f"study {uid} is not here")
        if found.state not in _NOT_BUSY:
            raise complain(f"study {uid} must not be deleted now: {found.why}")
        planned.append(Planned(found, f"by hand: {why}" if why else "by hand"))
    return planned


def _tell(planned: Sequence[Planned], kept: int, settings: NodeSettings) -> None:
    if planned:
        table = Table("study", "objects", "MB", "last change", "is", "because", "goes because")
        for one in planned:
            study = one.study
            table.add_row(
                Text(study.study_instance_uid, overflow="fold"),
                str(study.instances),
                f"{study.size / 2**20:.1f}",
                datetime.fromtimestamp(study.last_change, UTC).strftime("%Y-%m-%d %H:%M UTC"),
                study.state.value,
                Text(study.why),
                Text(one.why),
            )
        console.print(table)
    elif not settings.retention.deletes:
        console.print("[retention] lets nothing go", markup=False, highlight=False)
    size = sum(one.study.size for one in planned)
    console.print(
        f"{len(planned)} studies, {size / 2**30:.2f} GB of {kept / 2**30:.2f} GB that are kept",
        highlight=False,
    )
