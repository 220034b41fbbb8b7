"""The retention service: deletes now and then what may go."""

from __future__ import annotations

import logging
import time

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.audit.trail import Trail
from dicomnode.faults import describe_fault
from dicomnode.retention.plan import plan_purge
from dicomnode.retention.purge import By, NotPurged, finish_purges, purge_study
from dicomnode.retention.standing import promises_of
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.lock import FilesLock, StoreInUse
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAULT_S = 300.0


class Keeper(DueService):
    """Looks at the start, and then every `[retention] every_h` hours, where anything may go.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
    settings : NodeSettings
    trail : Trail, optional
        The audit trail.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        settings: NodeSettings,
        trail: Trail | None = None,
    ) -> None:
        self._database = database
        self._trail = trail
        self._settings = settings
        super().__init__("retention", scheduler, _PAUSE_AFTER_FAULT_S)

    def _begins_at_once(self) -> bool:
        return self._settings.retention.deletes

    def _work(self) -> float:
        try:
            with FilesLock(self._settings.store.path):
                self._purge()
        except StoreInUse:  # a backup is being made
            logger.info("retention.waits")
            return time.time() + _PAUSE_AFTER_FAULT_S
        return time.time() + self._settings.retention.every_h * 3600

    def _purge(self) -> None:
        finish_purges(self._database)
        promises = promises_of(self._settings.destinations)
        with self._database.read() as session:
            planned = plan_purge(session, self._settings)
        for one in planned:
            if self._thread.stopping:
                return
            study = one.study
            # Something has come of it meanwhile: the next look says.
            try:
                purge_study(
                    self._database,
                    study.study_instance_uid,
                    By("retention", one.why),
                    promises,
                    (study.state,),
                    self._trail,
                )
            except NotPurged:
                continue

    def _complain(self, error: Exception) -> None:
        logger.error("retention.failed %s", describe_fault(error))
