"""Takes peers' reports on what the node asked them to commit to, whichever way they come."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pydicom.dataset import Dataset

from dicomnode.commit.information import EventType, InvalidInformation, read_outcome
from dicomnode.deliver import commitments
from dicomnode.receive.commitment import INVALID_ARGUMENT, NO_SUCH_EVENT_TYPE
from dicomnode.receive.intake import Refused
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database

logger = logging.getLogger(__name__)


class CommitmentReports:
    """Writes each report down, and wakes who waits for it.

    Parameters
    ----------
    database : Database
    settings : NodeSettings
    on_report : callable
        Given the destination and the Transaction UID of a report that was written down.
    """

    def __init__(
        self,
        database: Database,
        settings: NodeSettings,
        on_report: Callable[[str, str], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._destinations = {d.name: d for d in settings.destinations}
        self._on_report = on_report

    def take(self, calling_ae: str, event_type: int | None, information: Dataset) -> None:
        """Take one report. The Transaction UID says what it is about, and who was asked.

        Raises
        ------
        Refused
            0x0113 for an event that storage commitment does not have, 0x0115 for information that
            cannot be used or a transaction that is not known here (PS3.7 Annex C).
        """
        if event_type not in tuple(EventType):
            raise Refused(NO_SUCH_EVENT_TYPE, f"event type {event_type}, expected 1 or 2")
        try:
            outcome = read_outcome(information)
        except InvalidInformation as error:
            raise Refused(INVALID_ARGUMENT, str(error)) from None
        with self._database.write() as session:
            reported = commitments.record_report(
                session,
                outcome,
                self._destinations,
                self._settings.confirm,
                self._settings.retry,
            )
        if reported is None:
            logger.warning(
                "commitment.unknown calling=%s transaction=%s", calling_ae, outcome.transaction_uid
            )
            raise Refused(INVALID_ARGUMENT, "the transaction is not known here")
        logger.log(
            logging.WARNING if reported.failed else logging.INFO,
            "commitment.%s destination=%s transaction=%s committed=%d failed=%d",
            "repeated" if reported.repeated else "reported",
            reported.destination,
            outcome.transaction_uid,
            reported.committed,
            reported.failed,
        )
        self._on_report(reported.destination, outcome.transaction_uid)
