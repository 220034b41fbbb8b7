"""The summarising service: has the objects made that hold all lesions of a series."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.faults import describe_fault
from dicomnode.jobs import summary_queue
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.publish import PublishedObject
from dicomnode.jobs.summarise import SummaryRequest, summarise
from dicomnode.jobs.variants import Ladders
from dicomnode.jobs.worker import WorkerDied
from dicomnode.results import UnusableGeometry
from dicomnode.store import summaries
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError
from dicomnode.store.tables import Summary
from dicomnode.woken_thread import DueService
from pipelines.errors import SegmentationError

logger = logging.getLogger(__name__)

_WAIT_S = 30.0
"""Before work that broke is tried again."""


class Summariser(DueService):
    """Makes one summary at a time, in a worker of the engine, when its lesions have settled.

    Parameters
    ----------
    database : Database
    engine : ProcessEngine
    scheduler : apscheduler scheduler
        Wakes the service when the next is due.
    ladders : Ladders
    results : Path
        Folder of the node's results.
    attempts : int
        A summary that broke so many times is parked as failed.
    on_published : callable
        Called, without arguments, when objects have been published.
    """

    def __init__(
        self,
        database: Database,
        engine: ProcessEngine,
        scheduler: BaseScheduler,
        ladders: Ladders,
        results: Path,
        attempts: int,
        on_published: Callable[[], None],
    ) -> None:
        self._database = database
        self._engine = engine
        self._ladders = ladders
        self._results = results
        self._attempts = attempts
        self._on_published = on_published
        super().__init__("summariser", scheduler)

    def _work(self) -> float | None:
        while not self._thread.stopping:
            now = time.time()
            with self._database.read() as session:
                found = summaries.due(session, now)
                if not found:
                    return summaries.next_due(session, now)
                summary = found[0]
                request = summary_queue.summary_request(
                    session, summary, self._ladders, self._results
                )
            self._make(summary, request)
        return None

    def _make(self, summary: Summary, request: SummaryRequest | None) -> None:
        try:
            made: tuple[PublishedObject, ...] = ()
            if request is not None:
                made = self._engine.submit(summarise, request).result()
        except CancelledError:
            return  # the engine stops; it is due at the next start
        except (SegmentationError, UnusableGeometry) as error:
            with self._database.write() as session:
                summary_queue.record_summary_refused(
                    session, summary.id, summary.changes, str(error)
                )
            logger.warning("summary.refused summary=%d", summary.id)
        except Exception as error:
            if self._thread.stopping:  # the engine takes nothing more; it is due at the next start
                return
            fault = describe_fault(error)
            if isinstance(error, WorkerDied):
                fault = str(error)
            if isinstance(error, StorageError):  # the node is at fault, and says so itself
                fault = str(error)
            self._record_fault(summary.id, fault)
        else:
            with self._database.write() as session:
                kept = summary_queue.record_summary(session, summary.id, summary.changes, made)
            if kept:
                logger.info("summary.published summary=%d objects=%d", summary.id, len(made))
                self._on_published()

    def _record_fault(self, summary_id: int, fault: str) -> None:
        with self._database.write() as session:
            state = summary_queue.record_summary_fault(
                session, summary_id, fault, self._attempts, _WAIT_S
            )
        logger.error("summary.fault summary=%d state=%s %s", summary_id, state.value, fault)

    def _complain(self, error: Exception) -> None:
        """Nothing is lost: rows still say what is to be made."""
        if not self._thread.stopping:
            logger.error("summary.failed %s", describe_fault(error))
