"""The sending side of the work: results go out, and peers are asked whether they keep them."""

from __future__ import annotations

import logging
import time

from sqlalchemy import func, select

from dicomnode.deliver import confirmation, outbox
from dicomnode.deliver.commitment_reports import CommitmentReports
from dicomnode.deliver.confirmer import Confirmer
from dicomnode.deliver.courier import Courier
from dicomnode.deliver.outbox import OPEN
from dicomnode.deliver.prober import Prober
from dicomnode.parts.ground import Ground
from dicomnode.store.tables import Delivery
from dicomnode.store.verdicts import follow_setting
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)


class Sending:
    """Two services for each destination, and one that probes them all.

    Parameters
    ----------
    ground : Ground
    """

    def __init__(self, ground: Ground) -> None:
        database, scheduler, settings = ground.database, ground.scheduler, ground.settings
        self._ground = ground
        reports = CommitmentReports(database, settings, self.reported)
        self._confirmers = [
            Confirmer(database, scheduler, destination, settings, reports.take)
            for destination in settings.destinations
        ]
        self._couriers = [
            Courier(
                database, scheduler, destination, settings, confirmer.notify, ground.audit.trail
            )
            for destination, confirmer in zip(settings.destinations, self._confirmers, strict=True)
        ]
        self._prober = Prober(database, scheduler, settings)

    @property
    def threads(self) -> tuple[str, ...]:
        """Names of the threads that live as long as it does."""
        names = [destination.name for destination in self._ground.settings.destinations]
        return (
            "prober",
            *(f"courier-{name}" for name in names),
            *(f"confirmer-{name}" for name in names),
        )

    def start(self) -> None:
        """Resume: send what is due."""
        self._warn_of_orphans()
        with self._ground.database.write() as session:
            for one in self._ground.settings.destinations:
                follow_setting(session, one.name, one.deliver == "accepted")
        for courier in self._couriers:
            courier.start()

    def start_asking(self) -> None:
        """Ask peers; one may report a commitment the moment it is asked, once, to the receiver."""
        for confirmer in self._confirmers:
            confirmer.start()
        self._prober.start()

    def deliver(self) -> None:
        """Say that deliveries may be due."""
        for courier in self._couriers:
            courier.notify()

    def reported(self, destination: str, transaction_uid: str) -> None:
        """Say that a peer's report was written down."""
        for confirmer in self._confirmers:
            if confirmer.destination == destination:
                confirmer.reported(transaction_uid)
        self.deliver()  # what was not committed is sent again

    def look(self) -> None:
        """Take up what rows say is due, in case nobody said so."""
        now = time.time()
        with self._ground.database.read() as session:
            for confirmer, courier in zip(self._confirmers, self._couriers, strict=True):
                for service, due in ((confirmer, confirmation), (courier, outbox)):
                    moment = due.next_due(session, confirmer.destination)
                    if moment is not None and moment <= now:
                        service.notify()

    @property
    def _services(self) -> list[DueService]:
        return [*self._confirmers, *self._couriers, self._prober]

    def ask_to_stop(self) -> None:
        """Ask all without waiting."""
        for service in self._services:
            service.ask_to_stop()

    def stop_asking(self) -> None:
        """From here on nobody is asked to commit."""
        for confirmer in self._confirmers:
            confirmer.stop()

    def stop(self) -> None:
        """Let what is on its way arrive, as far as it takes no longer than a stop may."""
        for service in self._services:
            service.stop()

    def _warn_of_orphans(self) -> None:
        """Deliveries to a destination that is configured no longer wait until it is again."""
        known = [destination.name for destination in self._ground.settings.destinations]
        with self._ground.database.read() as session:
            orphans = session.execute(
                select(Delivery.destination, func.count())
                .where(Delivery.state.in_(OPEN), Delivery.destination.not_in(known))
                .group_by(Delivery.destination)
            ).all()
        for name, count in orphans:
            logger.warning("delivery.orphaned destination=%s deliveries=%d", name, count)
