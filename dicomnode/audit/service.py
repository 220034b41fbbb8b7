"""The audit trail of one node: what writes, what sends, what lets go, and what is amiss."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.alerts.conditions import Condition
from dicomnode.audit.elements import Source
from dicomnode.audit.keeping import forget_old
from dicomnode.audit.messages import ApplicationActivity, Start
from dicomnode.audit.participants import Participant
from dicomnode.audit.patients import PatientIds
from dicomnode.audit.sender import AuditSender, unsent
from dicomnode.audit.trail import NullTrail, Trail
from dicomnode.audit.writer import AuditTrail
from dicomnode.faults import describe_fault
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError
from dicomnode.woken_thread import DueThread

logger = logging.getLogger(__name__)

_DAY_S = 86400.0


@dataclass(frozen=True)
class AuditStanding:
    """How the audit trail stands.

    Attributes
    ----------
    waiting : int
        Messages that are not on disk yet.
    failing_s : float
        For how long nothing could be written; 0 where it can.
    unsent : int
        Records that the collector does not have; 0 where there is none.
    oldest_unsent_s : float
        Age of the oldest of them, in seconds.
    """

    waiting: int
    failing_s: float
    unsent: int
    oldest_unsent_s: float


class AuditService:
    """Builds what the settings ask for. Where they ask for nothing, `trail` keeps nothing.

    Parameters
    ----------
    settings : NodeSettings
    database : Database
    scheduler : apscheduler scheduler
    keeps : bool
        Whether this process sends the journal and lets old files go: one on a store does. The
        others only write.
    """

    def __init__(
        self,
        settings: NodeSettings,
        database: Database,
        scheduler: BaseScheduler,
        keeps: bool = True,
    ) -> None:
        self._keeps = keeps
        self._settings = settings.audit
        self._started = False
        self._journal: AuditTrail | None = None
        self._sender: AuditSender | None = None
        self._keeper = DueThread("audit-keeper", scheduler, self._keep, self._complain)
        if not settings.audit.enabled:
            return
        self._journal = audit_trail(settings, database, self._on_written)
        if keeps and settings.audit.collector is not None:
            self._sender = AuditSender(
                settings.store.audit, settings.audit.collector, settings.retry, scheduler
            )

    @property
    def trail(self) -> Trail:
        """Where messages are noted."""
        return NullTrail() if self._journal is None else self._journal

    @property
    def threads(self) -> tuple[str, ...]:
        """Names of the threads that live as long as the node does."""
        if self._journal is None:
            return ()
        kept = ["audit-keeper"] if self._keeps else []
        return ("audit", *kept, *(["audit-sender"] if self._sender else []))

    def start(self) -> None:
        """Write and send from now on. Begins with what a former life left."""
        if self._journal is None:
            return
        self._started = True
        self._journal.start()
        self._journal.note(ApplicationActivity(Start.STARTED))
        if self._sender is not None:
            self._sender.start()
        if not self._keeps:
            return
        if self._settings.keep_days:
            self._keeper.wake()
        self._keeper.start()

    def stop(self) -> None:
        """Write what was noted, with the end; what is not sent by then is sent after a start."""
        if self._journal is None or not self._started:
            return
        self._keeper.stop()
        self._journal.stop(ApplicationActivity(Start.STOPPED))
        if self._sender is not None:
            self._sender.stop()

    def standing(self) -> AuditStanding | None:
        """How it stands; None where there is none."""
        if self._journal is None:
            return None
        now = time.time()
        number, oldest = 0, None
        if self._sender is not None:
            with contextlib.suppress(OSError):
                number, oldest = unsent(self._journal.folder)
        since = self._journal.failing_since
        return AuditStanding(
            self._journal.waiting,
            0.0 if since is None else now - since,
            number,
            0.0 if oldest is None else max(0.0, now - oldest),
        )

    def conditions(self) -> list[Condition]:
        """What administrators are to be told of."""
        standing, late_s = self.standing(), self._settings.late_minutes * 60
        found = []
        if standing is None:
            return found
        if standing.failing_s > late_s:
            words = (
                f"Nothing could be written for {standing.failing_s / 60:.0f} minutes, "
                f"{standing.waiting} message(s) wait in memory. Look at the disk and at "
                "`dicomnode doctor`."
            )
            found.append(Condition("audit trail not written", words))
        if standing.oldest_unsent_s > late_s:
            words = (
                f"{standing.unsent} message(s) wait for the collector, the oldest for "
                f"{standing.oldest_unsent_s / 60:.0f} minutes. They are kept in the journal. "
                "`dicomnode doctor` asks the collector."
            )
            found.append(Condition("audit trail not sent", words))
        return found

    def _on_written(self) -> None:
        if self._sender is not None:
            self._sender.notify()

    def _keep(self) -> float:
        if self._journal is not None:
            forget_old(self._journal, self._settings.keep_days, self._sender is not None)
        return time.time() + _DAY_S / 24

    def _complain(self, error: Exception) -> None:
        logger.error("audit.kept detail=%s", describe_fault(error))


def audit_trail(
    settings: NodeSettings,
    database: Database,
    on_written: Callable[[], object] = lambda: None,
) -> AuditTrail:
    """Make the trail of a node, or of a command beside it, which notes durably.

    Raises
    ------
    dicomnode.store.files.StorageError
        Its folder cannot be made.
    """
    listen, audit = settings.listen, settings.audit
    host = socket.gethostname()
    node = Participant(
        str(os.getpid()), host, "dicomnode", (listen.ae_title, *listen.more_ae_titles)
    )
    source = Source(
        node,
        audit.source_id or f"{listen.ae_title}@{host}",
        audit.site_id,
        PatientIds(database).of if audit.patient_ids else None,
    )
    try:
        return AuditTrail(
            settings.store.audit, source, int(audit.segment_mb * 2**20), on_written=on_written
        )
    except OSError as error:
        raise StorageError(error.errno, f"{settings.store.audit}: {error.strerror}") from error


def command_trail(settings: NodeSettings, database: Database) -> Trail:
    """The trail for a command: it has no thread, and is only noted to durably."""
    return audit_trail(settings, database) if settings.audit.enabled else NullTrail()
