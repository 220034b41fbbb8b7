"""The working part: makes and sends results, and keeps the store in order."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from dicomnode.alerts.watch import AlertWatch
from dicomnode.audit import Alert, SecurityAlert
from dicomnode.faults import describe_fault
from dicomnode.health.vitals import WorkerVitals
from dicomnode.housekeeper import Housekeeper
from dicomnode.parts.ground import Ground
from dicomnode.parts.making import Making
from dicomnode.parts.sending import Sending
from dicomnode.retention.keeper import Keeper
from dicomnode.retention.purge import finish_purges
from dicomnode.store.received import ReceivedInstance
from dicomnode.waking.hint import Hint
from dicomnode.waking.listener import WakeListener
from dicomnode.waking.missed import LOOK_EVERY_S

logger = logging.getLogger(__name__)


class Working:
    """Owns the rows of lesions, results, deliveries and retrievals, and the files made of them.

    Parameters
    ----------
    ground : Ground
    hears : bool
        Whether other processes tell what they stored; the worker then looks by itself now and
        then, too.
    """

    def __init__(self, ground: Ground, hears: bool = False) -> None:
        self._ground = ground
        self._listener = WakeListener(ground.settings.store.path, self._hear) if hears else None
        self._sending = Sending(ground)
        self._making = Making(ground, self._sending.deliver)
        given = (ground.database, ground.scheduler, ground.settings)
        self._keeping = [
            Housekeeper(*given),
            Keeper(*given, ground.audit.trail),
            AlertWatch(*given, ground.audit.conditions),
        ]

    @property
    def vitals(self) -> WorkerVitals:
        """What may be looked at."""
        return self._making.vitals

    @property
    def threads(self) -> tuple[str, ...]:
        """Names of the threads that live as long as it does."""
        keeping = (service.name for service in self._keeping)
        hearing = () if self._listener is None else (self._listener.name,)
        return (*self._making.threads, *self._sending.threads, *keeping, *hearing)

    @property
    def status(self) -> str:
        """One clause for people."""
        return self._making.status

    def prepare(self) -> int:
        """Clear up what a former life left; give how many half files were removed.

        In one process with the receiver this comes first: what is being deleted is not to be found
        as a file that the index does not know.
        """
        finish_purges(self._ground.database)
        return self._making.prepare()

    def start(self, configuration: Path | None) -> None:
        """Resume, but ask no peer for what would come to the receiver."""
        if self._listener is not None:
            # Before the first look at the rows: what comes during that is not missed.
            self._listener.start()
            self._ground.scheduler.add_job(
                self._look, "interval", seconds=LOOK_EVERY_S, id="wake:look", replace_existing=True
            )
        self._sending.start()
        self._making.start(configuration)

    def start_asking(self) -> None:
        """Ask peers, and keep the store in order."""
        self._sending.start_asking()
        self._making.start_asking()
        for service in self._keeping:
            service.start()

    def stored(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once."""
        self._making.stored(received)

    def reported(self, destination: str, transaction_uid: str) -> None:
        """Say that a peer's report was written down. Returns at once."""
        self._sending.reported(destination, transaction_uid)

    def _hear(self, hint: Hint) -> None:
        for destination, transaction_uid in hint.reports:
            self._sending.reported(destination, transaction_uid)
        self._making.hear(hint)
        if hint.everything:
            self._look()

    def _look(self) -> None:
        try:
            self._making.look()
            self._sending.look()
        except SQLAlchemyError as error:  # it is away; those who work with it say so
            logger.debug("wake.unseen %s", describe_fault(error))

    def deliver(self) -> None:
        """Look for deliveries that somebody else has queued."""
        self._sending.deliver()

    def reload_rules(self, configuration: Path) -> bool:
        """Go by the rules of a file from now on; where it is wrong the old ones stay."""
        taken = self._making.reload_rules(configuration)
        if taken:
            words = "rules were reloaded"
            self._ground.audit.trail.note(SecurityAlert(Alert.SOFTWARE_CONFIGURATION, words))
        return taken

    def ask_to_stop(self) -> None:
        """Ask all that talks to peers without waiting."""
        self._sending.ask_to_stop()
        for service in self._keeping:
            service.ask_to_stop()

    def stop_asking(self) -> None:
        """From here on no peer is asked for what would come to the receiver."""
        self._sending.stop_asking()
        self._making.stop_asking()

    def stop(self) -> None:
        """Stop what brings work, then the rest; all resumes at a start."""
        if self._listener is not None:
            self._listener.stop()
        self._making.stop()
        self._sending.stop()
        for service in self._keeping:
            service.stop()
