"""The probing service: asks destinations, from time to time, what they accept."""

from __future__ import annotations

import logging
import time

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.deliver import capabilities
from dicomnode.deliver.probe import probe
from dicomnode.faults import describe_fault
from dicomnode.settings import Destination, NodeSettings
from dicomnode.store.database import Database
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAULT_S = 300.0
_SOONER_S = 900.0
"""After which a destination that was not reached is probed again, where the interval is longer."""


class Prober(DueService):
    """Probes each destination at the start, if it was not lately, and then at the interval.

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
        self._every_s = settings.probe.every_h * 3600
        super().__init__("prober", scheduler, _PAUSE_AFTER_FAULT_S)

    def _begins_at_once(self) -> bool:
        return bool(self._every_s)  # nought says never

    def _work(self) -> float | None:
        for destination in self._settings.destinations:
            if self._thread.stopping:
                return None
            if self._due(destination) <= time.time():
                self._probe(destination)
        moments = [self._due(destination) for destination in self._settings.destinations]
        return min(moments, default=None)

    def _probe(self, destination: Destination) -> None:
        outcome = probe(destination, self._settings.listen.ae_title, self._thread.sockets)
        if self._thread.stopping and not outcome.answered:
            return  # it may have been cut off: nothing is known of the destination
        with self._database.write() as session:
            capabilities.record(session, destination, outcome)
        logger.log(
            logging.INFO if outcome.answered else logging.WARNING,
            "probe.%s destination=%s accepted=%d",
            "answered" if outcome.answered else "unanswered",
            destination.name,
            len({offer.sop_class_uid for offer in outcome.offers if offer.accepted}),
        )

    def _due(self, destination: Destination) -> float:
        with self._database.read() as session:
            last = capabilities.last_probe(session, destination)
        if last is None:
            return 0.0
        # One that was away is asked again soon.
        wait = self._every_s if last.answered else min(self._every_s, _SOONER_S)
        return last.attempted_at + wait

    def _complain(self, error: Exception) -> None:
        logger.error("probe.failed %s", describe_fault(error))
