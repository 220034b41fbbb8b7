"""The housekeeping service: once a day, forgets what is finished and old."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy.orm import Session

from dicomnode.commit import owed
from dicomnode.deliver import retention
from dicomnode.faults import describe_fault
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)

_DAY_S = 86400.0
_PAUSE_AFTER_FAULT_S = 300.0


class Housekeeper(DueService):
    """Deletes rows at the start, and then every day.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
    settings : NodeSettings
    """

    def __init__(
        self, database: Database, scheduler: BaseScheduler, settings: NodeSettings
    ) -> None:
        self._database = database
        self._settings = settings
        super().__init__("housekeeper", scheduler, _PAUSE_AFTER_FAULT_S)

    def _work(self) -> float:
        sent, asked = self._settings.confirm.keep_days, self._settings.commitment.keep_days
        requests = self._forget(retention.forget_commitments, sent)
        # After the requests: those that are left still name their deliveries.
        deliveries = self._forget(retention.forget_deliveries, sent)
        reports = self._forget(owed.forget, asked)
        if requests or deliveries or reports:
            logger.info(
                "rows.forgotten commitments=%d deliveries=%d reports=%d",
                requests,
                deliveries,
                reports,
            )
        return time.time() + _DAY_S

    def _forget(self, forget: Callable[[Session, float], int], keep_days: float) -> int:
        """Delete in small transactions, between which others write."""
        forgotten = 0
        while keep_days and not self._thread.stopping:
            with self._database.write() as session:
                count = forget(session, time.time() - keep_days * _DAY_S)
            if count == 0:
                break
            forgotten += count
        return forgotten

    def _complain(self, error: Exception) -> None:
        logger.error("housekeeping.failed %s", describe_fault(error))
