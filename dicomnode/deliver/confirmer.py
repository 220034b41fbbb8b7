"""The confirming service: asks one destination to commit, and reads back what it has."""

from __future__ import annotations

import logging
import threading
import time

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.commit.information import CommitmentRequest
from dicomnode.deliver import commitments, confirmation
from dicomnode.deliver.commitment_scu import TakeReport, Taking, ask
from dicomnode.deliver.confirmation import ReadBack
from dicomnode.deliver.read_back import read_back
from dicomnode.faults import describe_fault
from dicomnode.settings import Destination, DicomDestination, NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)


class Confirmer(DueService):
    """Takes each delivery from its acceptance as far as the destination can be asked.

    It has a thread of its own, so that a peer that takes its time to report delays no sending.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the confirmer when a step is due.
    destination : Destination
    settings : NodeSettings
    take_report : callable
        Takes a report that comes on the association of its request.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        destination: Destination,
        settings: NodeSettings,
        take_report: TakeReport,
    ) -> None:
        self._database = database
        self._destination = destination
        self._settings = settings
        self._take_report = take_report
        self._awaited: str | None = None
        self._reported = threading.Event()
        super().__init__(f"confirmer-{destination.name}", scheduler)

    @property
    def destination(self) -> str:
        """Name of the destination."""
        return self._destination.name

    def start(self) -> None:
        """Resume: do what is due, then what becomes due."""
        soon = time.time() + self._settings.confirm.after_start_s
        with self._database.write() as session:
            confirmation.drop_unwanted(session, self._destination)
            commitments.record_interrupted(session, self._destination.name, soon)
        super().start()

    def ask_to_stop(self) -> None:
        """Ask without waiting, and wait for no report any more."""
        super().ask_to_stop()
        self._reported.set()

    def reported(self, transaction_uid: str) -> None:
        """Say that a report has come, in whichever way."""
        if transaction_uid == self._awaited:
            self._reported.set()
        self._thread.wake()

    def _work(self) -> float | None:
        if isinstance(self._destination, DicomDestination):
            self._commit_due(self._destination)
        self._verify_due()
        with self._database.read() as session:
            return confirmation.next_due(session, self._destination.name)

    def _complain(self, error: Exception) -> None:
        logger.error(
            "confirmation.failed destination=%s %s", self._destination.name, describe_fault(error)
        )

    # -- commitment

    def _commit_due(self, destination: DicomDestination) -> None:
        confirm = self._settings.confirm
        with self._database.write() as session:
            commitments.record_overdue(session, destination, confirm)
        while not self._thread.stopping:
            with self._database.write() as session:
                due = commitments.due(session, destination.name, confirm.batch, confirm.batch_s)
                if not due:
                    return
                report_by = time.time() + confirm.report_within_s
                request = commitments.begin(session, destination.name, due, report_by)
            self._ask(request, destination)

    def _ask(self, request: CommitmentRequest, destination: DicomDestination) -> None:
        self._reported.clear()
        self._awaited = request.transaction_uid
        asked = ask(
            request,
            destination,
            self._settings.listen.ae_title,
            self._take_report,
            self._linger,
            self._thread.sockets,
        )
        self._awaited = None
        with self._database.write() as session:
            match asked.taking:
                case Taking.NOT_NOW | Taking.NEVER:
                    commitments.record_not_asked(
                        session,
                        request.transaction_uid,
                        asked.words,
                        destination,
                        self._settings.retry,
                        final=asked.taking is Taking.NEVER,
                    )
                case Taking.UNKNOWN:
                    commitments.record_unanswered(
                        session, request.transaction_uid, asked.words, self._settings.retry
                    )
        logger.log(
            logging.INFO if asked.taking is Taking.TAKEN else logging.WARNING,
            "commitment.asked destination=%s transaction=%s objects=%d taken=%s",
            destination.name,
            request.transaction_uid,
            len(request.references),
            asked.taking.value.replace(" ", "_"),
        )

    def _linger(self) -> None:
        if not self._thread.stopping:
            self._reported.wait(self._settings.confirm.same_association_s)

    # -- reading back

    def _verify_due(self) -> None:
        while not self._thread.stopping:
            with self._database.read() as session:
                wanted = confirmation.due_readings(session, self._destination.name)
            if not wanted:
                return
            ae_title = self._settings.listen.ae_title
            sockets = self._thread.sockets
            for one, read in read_back(wanted, self._destination, ae_title, sockets):
                self._record(one.delivery_id, read)
                if self._thread.stopping:
                    return

    def _record(self, delivery_id: int, read: ReadBack) -> None:
        with self._database.write() as session:
            row = confirmation.record_reading(
                session, delivery_id, read, self._settings.confirm, self._settings.retry
            )
        verified = row.state is DeliveryState.VERIFIED
        # The peer's words can name a patient: they are for `explain`.
        logger.log(
            logging.INFO if verified else logging.WARNING,
            "delivery.%s delivery=%d destination=%s reading=%s",
            "verified" if verified else "unverified",
            delivery_id,
            self._destination.name,
            read.reading.value,
        )
