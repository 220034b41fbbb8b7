"""The alerting service: looks now and then, and tells administrators what needs them."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.alerts.channels import NotTold, channels
from dicomnode.alerts.conditions import Condition, present
from dicomnode.alerts.ledger import News, news, record_told
from dicomnode.alerts.message import write_message
from dicomnode.faults import describe_fault
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)


class AlertWatch(DueService):
    """Has a thread of its own: a mail server that hangs, or its own fault, delays nothing else.

    Looks at the start, and then every `[alerts] every_s` seconds, where a channel is configured.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
    settings : NodeSettings
    more : callable, optional
        Gives what holds that no row says.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        settings: NodeSettings,
        more: Callable[[], Sequence[Condition]] = tuple,
    ) -> None:
        self._database = database
        self._more = more
        self._settings = settings
        self._alerts = settings.alerts
        self._channels = channels(settings.alerts)
        super().__init__("alerts", scheduler)

    def _begins_at_once(self) -> bool:
        return bool(self._channels)

    def _work(self) -> float:
        free_mb = shutil.disk_usage(self._settings.store.path).free / 2**20
        more = self._more()
        with self._database.write() as session:
            found = [*present(session, self._alerts, free_mb), *more]
            due = news(session, found, time.time(), self._alerts.interval_h * 3600)
        for one in due:
            if self._thread.stopping:
                break
            if self._tell(one):
                with self._database.write() as session:
                    record_told(session, one, time.time())
        return time.time() + self._alerts.every_s

    def _tell(self, one: News) -> bool:
        """Give a message to every channel; whether one of them took it. Else it is tried again."""
        message = write_message(one, self._settings.listen.ae_title, self._alerts.interval_h)
        told = False
        for name, tell in self._channels.items():
            try:
                tell(message, self._thread.sockets)
            except NotTold as error:
                logger.error("alert.failed channel=%s condition=%r %s", name, one.condition, error)
            else:
                told = True
                logger.warning(
                    "alert.told channel=%s event=%s condition=%r", name, one.event, one.condition
                )
        return told

    def _complain(self, error: Exception) -> None:
        logger.error("alert.failed %s", describe_fault(error))
