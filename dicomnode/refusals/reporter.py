"""The service that sends refusals back, where a rule asks for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from apscheduler.schedulers.base import BaseScheduler
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.uid import ComprehensiveSRStorage
from sqlalchemy.orm import Session

from dicomnode.deliver.capabilities import accepts
from dicomnode.faults import describe_fault
from dicomnode.jobs.publish import PublishedObject, source_of, write_object
from dicomnode.refusals.plan import Plan, PlannedDocument, plan
from dicomnode.refusals.rows import record_fault, record_told
from dicomnode.results.lesion_result import Equipment
from dicomnode.results.not_processed import NotProcessedSettings, not_processed
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.routing import Rule
from dicomnode.settings import Destination, PublishSettings
from dicomnode.store import refusals
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError
from dicomnode.store.tables import Instance, RefusalReport
from dicomnode.version import VERSION
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)

KIND = "not-processed"
"""In `Result.kind`."""

_WAIT_S = 30.0
"""Before work that broke is tried again."""

_STUDY_ID = 0x00200010
"""The last attribute that a document takes over from the object that it is about."""


class RefusalReporter(DueService):
    """Writes one document at a time, when the refusals of an object have settled.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the service when the next is due.
    rules : sequence of Rule
    destinations : sequence of Destination
    publish : PublishSettings
    results : Path
        Folder of the node's results.
    attempts : int
        A report that broke so many times is parked as failed.
    on_published : callable
        Called, without arguments, when a document has been published.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        rules: Sequence[Rule],
        destinations: Sequence[Destination],
        publish: PublishSettings,
        results: Path,
        attempts: int,
        on_published: Callable[[], None],
    ) -> None:
        self._database = database
        self._rules = rules
        self._destinations = {destination.name: destination for destination in destinations}
        self._publish = publish
        self._results = results
        self._attempts = attempts
        self._on_published = on_published
        super().__init__("refusals", scheduler)

    def _work(self) -> float | None:
        return self.report_due()

    def report_due(self) -> float | None:
        """Report all that is due, in this thread; give when the next may be."""
        if not any(rule.sends_refusals for rule in self._rules):
            self._put_away()
            return None
        while not self._thread.stopping:
            quiet_since = time.time() - self._publish.gather_s
            with self._database.read() as session:
                report = refusals.due(session, quiet_since)
                change = None if report else refusals.next_change(session, quiet_since)
            if report is not None:
                self._report(report)
                continue
            return None if change is None else change + self._publish.gather_s
        return None

    def _put_away(self) -> None:
        with self._database.read() as session:
            waits = refusals.anything_waits(session)
        if waits:
            with self._database.write() as session:
                refusals.nobody_asks(session)

    def _report(self, report: RefusalReport) -> None:
        try:
            with self._database.read() as session:
                planned = plan(session, report, tuple(self._rules), self._accepts)
                source = session.get_one(Instance, report.source_sop_instance_uid)
            folder = self._results / source.study_instance_uid
            made = [self._write(document, source, folder) for document in planned.documents]
            kept = self._record(report, planned, made)
        except StorageError as error:  # the node is at fault, and says so itself
            self._record_fault(report, str(error))
        except Exception as error:
            self._record_fault(report, describe_fault(error))
        else:
            if kept and planned.changed:
                logger.info("refusals.published report=%d objects=%d", report.id, len(made))
                self._on_published()

    def _write(self, document: PlannedDocument, source: Instance, folder: Path) -> PublishedObject:
        before = document.predecessor
        made = not_processed(
            _head(Path(source.path)),
            document.refusals,
            Equipment(software_version=VERSION),
            NotProcessedSettings(SeriesNumbers(self._publish.series_number)),
            () if before is None else (source_of(before),),
        )
        return write_object(made, KIND, document.destinations, folder)

    def _record(
        self, report: RefusalReport, planned: Plan, made: Sequence[PublishedObject]
    ) -> bool:
        with self._database.write() as session:
            return record_told(session, report.id, planned, made)

    def _accepts(self, session: Session, name: str) -> tuple[bool | None, str]:
        answer = accepts(session, self._destinations[name], ComprehensiveSRStorage)
        return answer.answer, answer.why

    def _record_fault(self, report: RefusalReport, fault: str) -> None:
        with self._database.write() as session:
            state = record_fault(session, report.id, fault, self._attempts, _WAIT_S)
        logger.error("refusals.fault report=%d state=%s %s", report.id, state.value, fault)

    def _complain(self, error: Exception) -> None:
        """Nothing is lost: rows still say what is to be reported."""
        logger.error("refusals.failed %s", describe_fault(error))


def _head(path: Path) -> Dataset:
    """What an object says of its patient and study, however large or odd the rest of it is."""
    with open(path, "rb") as file:
        return read_partial(file, stop_when=lambda tag, *_: tag > _STUDY_ID)
