"""The delivering service: empties the outbox, one thread a destination."""

from __future__ import annotations

import logging
import time

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.deliver import outbox
from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.store_scu import send
from dicomnode.faults import describe_fault
from dicomnode.settings import Destination, RetrySettings
from dicomnode.store.database import Database
from dicomnode.timing import call_at
from dicomnode.woken_thread import WokenThread

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAULT_S = 5.0


class Courier:
    """Sends what is due to one destination, and wakes again when the next is due.

    A destination has its own courier, so that a peer that stalls delays no other.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the courier when a repeat is due.
    destination : Destination
    retry : RetrySettings
    calling_ae_title : str
        Used unless the destination names another.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        destination: Destination,
        retry: RetrySettings,
        calling_ae_title: str,
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._destination = destination
        self._retry = retry
        self._calling_ae_title = calling_ae_title
        self._thread = WokenThread(f"courier-{destination.name}", self._deliver, self._recover)

    def start(self) -> None:
        """Resume: send what is due, then what becomes due."""
        self._thread.wake()
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask without waiting, so that several couriers end at the same time."""
        self._thread.ask_to_stop()

    def stop(self) -> None:
        """Let the object that is on its way arrive, then stop."""
        self._thread.stop()

    def notify(self) -> None:
        """Say that something may be due."""
        self._thread.wake()

    def _deliver(self) -> None:
        self._deliver_due()
        with self._database.read() as session:
            moment = outbox.next_due(session, self._destination.name)
        if moment is not None:
            self._wake_at(moment)

    def _recover(self, error: Exception) -> None:
        logger.error(
            "delivery.failed destination=%s %s", self._destination.name, describe_fault(error)
        )
        self._wake_at(time.time() + _PAUSE_AFTER_FAULT_S)

    def _deliver_due(self) -> None:
        while not self._thread.stopping:
            with self._database.read() as session:
                parcels = outbox.due(session, self._destination.name)
            if not parcels:
                return
            for parcel, answer in send(parcels, self._destination, self._calling_ae_title):
                self._record(parcel.delivery_id, answer)
                if self._thread.stopping:
                    return

    def _record(self, delivery_id: int, answer: Answer) -> None:
        with self._database.write() as session:
            state = outbox.record(session, delivery_id, answer, self._retry).state
        level = logging.INFO if answer.verdict is Verdict.ACCEPTED else logging.WARNING
        # The peer's words can name a patient: they are for `explain`, the log gets the status.
        logger.log(
            level,
            "delivery.%s delivery=%d destination=%s status=%s",
            state.value,
            delivery_id,
            self._destination.name,
            "none" if answer.status is None else f"0x{answer.status:04X}",
        )

    def _wake_at(self, moment: float) -> None:
        call_at(self._scheduler, moment, f"deliver:{self._destination.name}", self.notify)
