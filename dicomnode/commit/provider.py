"""The node as a Storage Commitment SCP for what it received (PS3.4 J.3)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from apscheduler.schedulers.base import BaseScheduler
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from dicomnode.association import NoAssociation, associate, requesting_ae
from dicomnode.commit import owed
from dicomnode.commit.check import failures
from dicomnode.commit.information import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST,
    CommitmentOutcome,
    InvalidInformation,
    outcome_dataset,
    outcome_of,
    read_request,
)
from dicomnode.faults import describe_fault
from dicomnode.proposed_contexts import commitment_report
from dicomnode.receive.commitment import (
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NOT_AUTHORISED,
    RESOURCE_LIMITATION,
    ReportHere,
)
from dicomnode.receive.intake import Refused
from dicomnode.receive.sop_classes import EXPLICIT_VR_LE, IMPLICIT_VR_LE
from dicomnode.settings import DicomPeer, NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.tables import CommitmentReport
from dicomnode.woken_thread import DueService

logger = logging.getLogger(__name__)

_ANSWER_WITHIN_S = 60.0
"""How long an unknown peer may take to answer a report on its own association."""


class CommitmentProvider(DueService):
    """Takes requests durably, and reports on each.

    A peer whose AE title is configured is told on an association that the node opens: many that
    ask release theirs at once. Any other is told on the association that it asked on, for there is
    no other way to it.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
    settings : NodeSettings
    take_report : callable
        Given the calling AE title, event type and Event Information of a report on what the node
        itself asked for; raises `Refused`.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        settings: NodeSettings,
        take_report: Callable[[str, int | None, Dataset], None],
    ) -> None:
        self._database = database
        self._settings = settings
        self._take_report = take_report
        self._peers = {peer.ae_title: peer for peer in reversed(settings.peers)}
        super().__init__("commitment-reports", scheduler)

    # -- on the receiver's threads, also once the provider is asked to stop: what is taken then is
    # reported on after the next start

    def requested(
        self, calling_ae: str, called_ae: str, action_type: int | None, information: Dataset
    ) -> ReportHere | None:
        """Take a peer's request (PS3.4 J.3.2).

        Raises
        ------
        Refused
            0x0123 for another action, 0x0115 for information that cannot be used, 0x0213 for too
            much of it, 0x0124 where the node is not to serve this.
        """
        if not self._settings.commitment.serve:
            raise Refused(NOT_AUTHORISED, "this node commits to nothing")
        if action_type != REQUEST:
            raise Refused(NO_SUCH_ACTION, f"action type {action_type}, expected {REQUEST}")
        try:
            request = read_request(information)
        except InvalidInformation as error:
            raise Refused(INVALID_ARGUMENT, str(error)) from None
        most = self._settings.commitment.max_instances
        if len(request.references) > most:
            raise Refused(RESOURCE_LIMITATION, f"more than {most} objects in one request")
        known = calling_ae in self._peers
        due_at = time.time() + (0 if known else _ANSWER_WITHIN_S)
        try:
            with self._database.write() as session:
                row = owed.owe(session, request, calling_ae, called_ae, due_at)
        except owed.OtherObjects as error:
            raise Refused(INVALID_ARGUMENT, str(error)) from None
        logger.info(
            "commitment.requested report=%d calling=%s objects=%d",
            row.id,
            calling_ae,
            len(request.references),
        )
        # For an unknown peer, too: the thread then plans when to look whether it has answered.
        self._thread.wake()
        if known:
            return None
        outcome = self._outcome(row)
        with self._database.write() as session:
            owed.note(session.get_one(CommitmentReport, row.id), outcome)
        dataset = outcome_dataset(outcome)
        return ReportHere(
            row.id,
            int(outcome.event_type),
            {
                IMPLICIT_VR_LE: encode(dataset, True, True),
                EXPLICIT_VR_LE: encode(dataset, False, True),
            },
        )

    def reported(self, calling_ae: str, event_type: int | None, information: Dataset) -> None:
        """Take a peer's report on what the node asked it for."""
        self._take_report(calling_ae, event_type, information)

    def answered(self, report_id: int, status: int) -> None:
        """Write down what a peer answered on its own association."""
        self._record(report_id, status, f"0x{status:04X}", None)

    # -- on the provider's own thread

    def _work(self) -> float | None:
        while not self._thread.stopping:
            with self._database.read() as session:
                rows = owed.due(session)
            if not rows:
                break
            for row in rows:
                if self._thread.stopping:
                    return None
                self._report(row)
        with self._database.read() as session:
            return owed.next_due(session)

    def _report(self, row: CommitmentReport) -> None:
        peer = self._peers.get(row.calling_ae)
        if peer is None:
            words = (
                "the association ended before the report was answered, "
                "and no peer of this AE title is configured"
            )
            with self._database.write() as session:
                row = owed.record_no_way(session, row.id, words)
            self._log(row)
            return
        outcome = self._outcome(row)
        try:
            status, words = self._tell(peer, outcome)
        except Exception as error:
            logger.error("commitment.failed report=%d %s", row.id, describe_fault(error))
            status, words = None, f"a fault: {describe_fault(error)}"
        self._record(row.id, status, words, outcome)

    def _tell(self, peer: DicomPeer, outcome: CommitmentOutcome) -> tuple[int | None, str]:
        """Report on a new association, in the role of the SCP (PS3.4 J.3.3)."""
        ae = requesting_ae(peer, self._settings.listen.ae_title)
        try:
            association = associate(ae, peer, commitment_report(), sockets=self._thread.sockets)
        except NoAssociation as error:
            return None, str(error)
        for context in association.accepted_contexts:
            # A peer that accepts the SOP class and says nothing of roles wants its report, too;
            # pynetdicom would not send it.
            context._as_scp = True
        try:
            status, _ = association.send_n_event_report(
                outcome_dataset(outcome), int(outcome.event_type), PUSH_MODEL, PUSH_MODEL_INSTANCE
            )
        except ValueError as error:
            return None, f"the report cannot be sent: {describe_fault(error)}"
        except RuntimeError:
            return None, "the association ended before the report was sent"
        finally:
            if association.is_established:
                association.release()
        if "Status" not in status:
            return None, "no answer to the report, or the association broke"
        comment = str(status.get("ErrorComment", "") or "")
        return int(status.Status), f"0x{status.Status:04X} {comment}".strip()

    def _outcome(self, row: CommitmentReport) -> CommitmentOutcome:
        references = owed.references_of(row)
        with self._database.read() as session:
            failed = list(failures(session, references))
        return outcome_of(row.transaction_uid, references, failed)

    def _record(
        self, report_id: int, status: int | None, words: str, outcome: CommitmentOutcome | None
    ) -> None:
        with self._database.write() as session:
            row = owed.record(session, report_id, status, words, self._settings.retry, outcome)
        self._log(row)

    def _log(self, row: CommitmentReport) -> None:
        # The peer's words can name a patient: they are for the row, the log gets the status.
        logger.info(
            "commitment.report_%s report=%d calling=%s failures=%s status=%s",
            row.state.value,
            row.id,
            row.calling_ae,
            "unknown" if row.failures is None else row.failures,
            "none" if row.status is None else f"0x{row.status:04X}",
        )

    def _complain(self, error: Exception) -> None:
        logger.error("commitment.failed %s", describe_fault(error))
