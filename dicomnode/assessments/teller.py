"""The service that tells destinations what readers say of their results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
from apscheduler.schedulers.base import BaseScheduler
from pydicom.uid import ComprehensiveSRStorage
from sqlalchemy.orm import Session

from dicomnode.assessments.rows import (
    Telling,
    judgement_of,
    next_verdict,
    record_told,
    tellings,
)
from dicomnode.deliver.capabilities import accepts
from dicomnode.faults import describe_fault
from dicomnode.jobs.publish import PublishedObject, source_of, write_object
from dicomnode.results.assessment import AssessmentSettings, assessment
from dicomnode.results.lesion_result import Equipment
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.settings import Destination, PublishSettings
from dicomnode.store.database import Database
from dicomnode.store.tables import Lesion, Verdict
from dicomnode.version import VERSION
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)

KIND = "assessment"
"""In `Result.kind`."""

_WAIT_S = 30.0
"""Before work that broke is tried again."""


class VerdictTeller(DueService):
    """Writes one document at a time, once the lesion that was judged is published.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the service where something broke.
    destinations : sequence of Destination
    publish : PublishSettings
    results : Path
        Folder of the node's results.
    on_published : callable
        Called, without arguments, when a document has been published.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        destinations: Sequence[Destination],
        publish: PublishSettings,
        results: Path,
        on_published: Callable[[], None],
    ) -> None:
        self._database = database
        self._destinations = {one.name: one for one in destinations if one.verdicts}
        self._publish = publish
        self._results = results
        self._on_published = on_published
        super().__init__("verdicts", scheduler)

    def _work(self) -> float | None:
        return self.tell()

    def tell(self) -> float | None:
        """Tell all that is to be told, in this thread; give when it is to be tried again."""
        while not self._thread.stopping:
            with self._database.read() as session:
                verdict = next_verdict(session)
                if verdict is None:
                    return None
                planned = tellings(session, verdict, self._destinations, self._accepts)
                study = session.get_one(Lesion, verdict.lesion_id).study_instance_uid
            try:
                made = [self._write(one, verdict, self._results / study) for one in planned]
                with self._database.write() as session:
                    record_told(session, verdict, made)
            except Exception as error:  # nothing is lost: the row says that it is to be told
                self._complain(error)
                return time.time() + _WAIT_S
            if made:
                logger.info("verdict.published verdict=%d objects=%d", verdict.id, len(made))
                self._on_published()
        return None

    def _write(self, telling: Telling, verdict: Verdict, folder: Path) -> PublishedObject:
        made = assessment(
            pydicom.dcmread(telling.judged[0], stop_before_pixels=True),
            tuple(map(source_of, telling.judged)),
            judgement_of(verdict),
            Equipment(software_version=VERSION),
            AssessmentSettings(SeriesNumbers(self._publish.series_number)),
            tuple(map(source_of, telling.predecessors)),
        )
        return write_object(made, KIND, telling.destinations, folder)

    def _accepts(self, session: Session, name: str) -> bool | None:
        return accepts(session, self._destinations[name], ComprehensiveSRStorage).answer

    def _complain(self, error: Exception) -> None:
        """Nothing is lost: rows still say what is to be told."""
        logger.error("verdict.failed %s", describe_fault(error))
