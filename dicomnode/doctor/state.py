"""The database: is it there, whole, of this version, and does it say what is on disk?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from dicomnode.deliver.outbox import OPEN
from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database, alembic_configuration
from dicomnode.store.states import DEAD_LETTERS, CircuitState, LesionState
from dicomnode.store.tables import Circuit, Delivery, Instance, Lesion, Result

_SAMPLE = 200
_LATE_S = 3600


@dataclass
class StateReport:
    """What was found.

    Attributes
    ----------
    findings : list of Finding
    newest_row : float or None
        The newest moment that is written down, in seconds since 1970.
    """

    findings: list[Finding] = field(default_factory=list)
    newest_row: float | None = None


def look_at_state(settings: NodeSettings) -> StateReport:
    """Look without making a database, and without writing to one."""
    report = StateReport()
    url = settings.store.url
    file = make_url(url).database
    if url.startswith("sqlite") and not (file and Path(file).is_file()):
        report.findings.append(
            warned("database", "there is none yet", "The first start of the node makes it.")
        )
        return report
    database = Database(url)
    try:
        with database.read() as session:
            report.findings.append(_version(session, url))
            if url.startswith("sqlite"):
                report.findings.append(_integrity(session))
            report.findings.extend(_content(session, report))
    except SQLAlchemyError as error:
        if not url.startswith("sqlite"):
            report.findings.append(_unanswered(error))
            return report
        # Its text holds statements and addresses.
        report.findings.append(
            failed(
                "database",
                f"it cannot be read ({type(error).__name__})",
                "Run this as the user that the node runs as. If it still fails, stop the node, "
                "keep a copy of the file, and restore a backup.",
            )
        )
    finally:
        database.close()
    return report


def _unanswered(error: SQLAlchemyError) -> Finding:
    """A server that was not reached, or lets the node in no more; it says why, and no password."""
    said = error.orig if isinstance(error, OperationalError) else None
    why = type(error).__name__ if said is None else " ".join(str(said).split())
    return failed(
        "database",
        f"it cannot be read: {why}",
        "See that the server runs, lets the node's user in, and that this user can read the files "
        "that [store] database_url names. The server's own log says more.",
    )


def _version(session: Session, url: str) -> Finding:
    scripts = ScriptDirectory.from_config(alembic_configuration(url))
    newest = scripts.get_current_head()
    found = MigrationContext.configure(session.connection()).get_current_revision()
    if found == newest:
        return passed("database version", f"{found}, the newest")
    known = {script.revision for script in scripts.walk_revisions()}
    if found in known:
        return warned(
            "database version",
            f"found {found}, the newest is {newest}",
            "Make a backup; the next start brings it to the newest.",
        )
    return failed(
        "database version",
        f"found {found}, which this version does not know; its newest is {newest}",
        "Install the version that wrote it, or a newer one.",
    )


def _integrity(session: Session) -> Finding:
    answers = session.scalars(text("PRAGMA integrity_check(1)")).all()
    torn = len(session.execute(text("PRAGMA foreign_key_check")).all())
    if list(answers) == ["ok"] and not torn:
        return passed("database integrity", "SQLite finds it whole")
    words = "SQLite finds it damaged" if list(answers) != ["ok"] else f"{torn} rows refer to none"
    return failed(
        "database integrity",
        words,
        "Stop the node, keep a copy of the file, look at the disk, and restore a backup.",
    )


def _content(session: Session, report: StateReport) -> Iterator[Finding]:
    """What rows say of files and of work that stands."""
    report.newest_row = max(
        (
            moment
            for column in (Instance.received_at, Result.created_at)
            if (moment := session.scalar(select(func.max(column)))) is not None
        ),
        default=None,
    )
    newest = session.execute(
        select(Instance.path, Instance.size).order_by(Instance.received_at.desc()).limit(_SAMPLE)
    ).all()
    lost = sum(not _is_there(path, size) for path, size in newest)
    if lost:
        yield failed(
            "files",
            f"of the {len(newest)} newest objects, {lost} are not on disk as the index says",
            "Do not delete or move files of the store; let their senders send them again.",
        )
    else:
        yield passed("files", f"the {len(newest)} newest objects are on disk")
    failures = _count(session, Lesion, Lesion.state == LesionState.FAILED)
    if failures:
        yield warned(
            "lesions",
            f"{failures} failed",
            "`dicomnode jobs --state failed` says why. Mend the cause, `dicomnode jobs retry`.",
        )
    dead = _count(session, Delivery, Delivery.state.in_(DEAD_LETTERS))
    if dead:
        yield warned(
            "dead letters",
            f"{dead} results were refused or given up",
            "`dicomnode jobs` lists them; mend the cause, then `dicomnode jobs retry`.",
        )
    away = session.scalars(
        select(Circuit.destination)
        .where(Circuit.state != CircuitState.CLOSED)
        .order_by(Circuit.destination)
    ).all()
    if away:
        yield warned(
            "circuits",
            f"{', '.join(away)} gave no answer so often that results wait",
            "See the peers below. Once they answer, `dicomnode jobs retry --destination NAME` asks "
            "at once.",
        )
    oldest = session.scalar(
        select(func.min(Result.created_at)).join(Result.deliveries).where(Delivery.state.in_(OPEN))
    )
    late = 0.0 if oldest is None else time.time() - oldest
    if late > _LATE_S:
        yield warned(
            "deliveries",
            f"the oldest result has waited for {late / 3600:.1f} h",
            "See the peers below; `dicomnode explain` has their words.",
        )
    else:
        yield passed("deliveries", "no result has waited for more than an hour")


def _count(session: Session, table: type, condition: object) -> int:
    return session.scalar(select(func.count()).select_from(table).where(condition)) or 0


def _is_there(path: str, size: int) -> bool:
    try:
        return Path(path).stat().st_size == size
    except OSError:
        return False
