"""The delivering service: empties the outbox, one thread a destination."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.audit.trail import NullTrail, Trail
from dicomnode.deliver import circuit, drop_folder, outbox
from dicomnode.deliver.answer import Answer, Contact, Verdict, status_word
from dicomnode.deliver.carriers import carry
from dicomnode.deliver.circuit import Admission
from dicomnode.deliver.confirmation import first_step
from dicomnode.deliver.parcel import Parcel
from dicomnode.deliver.told import Told
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import StageClock
from dicomnode.settings import Destination, FolderDestination, NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.states import CircuitState
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)


class Courier(DueService):
    """Sends what is due to one destination, and wakes again when the next is due.

    A destination has its own courier, so that a peer that stalls delays no other.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the courier when a repeat is due.
    destination : Destination
    settings : NodeSettings
    on_accepted : callable
        Called after what was due has been sent: something of it may have been accepted.
    trail : Trail, optional
        The audit trail.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        destination: Destination,
        settings: NodeSettings,
        on_accepted: Callable[[], None],
        trail: Trail | None = None,
    ) -> None:
        self._trail = trail or NullTrail()
        self._database = database
        self._destination = destination
        self._settings = settings
        self._on_accepted = on_accepted
        self._on_their_way: set[int] = set()
        self._sending = StageClock("deliver")
        super().__init__(f"courier-{destination.name}", scheduler)

    def start(self) -> None:
        """Resume: send what is due, then what becomes due."""
        if isinstance(self._destination, FolderDestination):
            drop_folder.sweep(self._destination)
        super().start()

    def _work(self) -> float | None:
        try:
            self._deliver_due()
        finally:
            self._on_accepted()
        name = self._destination.name
        with self._database.read() as session:
            moment = outbox.next_due(session, name)
            # While the destination is away, one object goes when it is asked again.
            probe = circuit.next_probe(session, name)
            return moment if moment is None or probe is None else probe

    def _complain(self, error: Exception) -> None:
        logger.error(
            "delivery.failed destination=%s %s", self._destination.name, describe_fault(error)
        )

    def _deliver_due(self) -> None:
        self._on_their_way.clear()
        while not self._thread.stopping:
            parcels = self._admitted()
            if not parcels:
                return
            contacts: dict[Contact, Answer] = {}
            answers = carry(
                parcels,
                self._destination,
                self._settings.listen.ae_title,
                self._begin,
                self._thread.sockets,
            )
            told = Told(self._trail, self._destination)
            try:
                for parcel, answer in answers:
                    self._record(parcel.delivery_id, answer)
                    told.add(parcel, answer)
                    contacts[answer.contact] = answer
                    # Objects that went in one request are recorded together: none is sent twice.
                    if self._thread.stopping and not self._on_their_way:
                        break
            finally:
                told.end()
            self._record_contact(contacts)

    def _admitted(self) -> list[Parcel]:
        """What goes now, as far as the destination is known to be there."""
        name = self._destination.name
        with self._database.read() as session:
            admission = circuit.admission(session, name)
            if admission is Admission.NOTHING:
                return []
            if admission is Admission.ALL:
                return outbox.due(session, name)
            parcels = outbox.due(session, name, limit=1, at=float("inf"))
        if parcels:
            with self._database.write() as session:
                circuit.begin_probe(session, name)
        return parcels

    def _record_contact(self, contacts: Mapping[Contact, Answer]) -> None:
        name = self._destination.name
        if Contact.ANSWERED in contacts:
            with self._database.write() as session:
                was_open = circuit.record_answered(session, name)
                if was_open:
                    outbox.hurry(session, name)
            if was_open:
                logger.info("circuit.closed destination=%s", name)
        elif Contact.LOST in contacts and not self._thread.stopping:  # else the node cut it off
            with self._database.write() as session:
                row = circuit.record_lost(
                    session,
                    name,
                    contacts[Contact.LOST].words,
                    self._settings.circuit,
                    self._settings.retry,
                )
            # Not at each probe that finds it still away.
            if row.state is CircuitState.OPEN and row.probes == 0:
                logger.warning("circuit.opened destination=%s failures=%d", name, row.failures)
        elif Contact.NONE in contacts:
            with self._database.write() as session:
                circuit.postpone_probe(session, name, self._settings.circuit)

    def _begin(self, parcel: Parcel) -> bool:
        with self._database.write() as session:
            begun = outbox.begin(session, parcel.delivery_id)
        if begun:
            self._on_their_way.add(parcel.delivery_id)
            self._sending.begin(parcel.delivery_id)
        return begun

    def _record(self, delivery_id: int, answer: Answer) -> None:
        with self._database.write() as session:
            state = outbox.record(
                session,
                delivery_id,
                answer,
                self._settings.retry,
                first_step(self._destination),
                # What is accepted shortly after goes into the same request.
                self._settings.confirm.batch_s,
            ).state
        self._on_their_way.discard(delivery_id)
        self._sending.end(delivery_id)
        level = logging.INFO if answer.verdict is Verdict.ACCEPTED else logging.WARNING
        # The peer's words can name a patient: they are for `explain`, the log gets the status.
        logger.log(
            level,
            "delivery.%s delivery=%d destination=%s status=%s",
            state.value,
            delivery_id,
            self._destination.name,
            status_word(answer.status, answer.words),
        )
