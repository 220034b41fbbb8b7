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
from dicomnode.woken_thread import DueThread

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAULT_S = 300.0


class Keeper:
    """Has a thread of its own. Does nothing where `[retention]` deletes nothing.

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
        self._thread = DueThread(
            "retention", scheduler, self._keep, self._complain, _PAUSE_AFTER_FAULT_S
        )

    def start(self) -> None:
        """Look at once, and then every `[retention] every_h` hours."""
        if self._settings.retention.deletes:
            self._thread.wake()
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask without waiting."""
        self._thread.ask_to_stop()

    def stop(self) -> None:
        """Let the study that is being deleted be finished."""
        self._thread.stop()

    def _keep(self) -> float:
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
