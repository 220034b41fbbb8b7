"""Ask one destination for storage commitment (PS3.4 J.3.2)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.pdu import P_DATA_TF

from dicomnode.association import NoAssociation, NothingAccepted, associate, requesting_ae
from dicomnode.commit.information import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    REQUEST,
    CommitmentRequest,
    request_dataset,
)
from dicomnode.faults import describe_fault
from dicomnode.open_sockets import OpenSockets
from dicomnode.proposed_contexts import commitment_request
from dicomnode.receive.commitment import INVALID_ARGUMENT, PROCESSING_FAILURE
from dicomnode.receive.intake import Refused
from dicomnode.settings import DicomDestination

logger = logging.getLogger(__name__)

TakeReport = Callable[[str, int | None, Dataset], None]
"""Given calling AE title, event type and Event Information; raises `Refused`."""

MAY_PASS = (0x0110, 0x0213)
"""Statuses of an N-ACTION that a repeat may mend: processing failure, resource limitation."""


class Taking(StrEnum):
    """Whether the peer took a request."""

    TAKEN = "taken"
    NOT_NOW = "not now"
    """It does not have the request; it may take it later."""
    NEVER = "never"
    """Asking again is vain."""
    UNKNOWN = "unknown"
    """No answer came; it may have the request."""


@dataclass(frozen=True)
class Asked:
    """What came of one request."""

    taking: Taking
    words: str


def ask(
    request: CommitmentRequest,
    destination: DicomDestination,
    calling_ae_title: str,
    take_report: TakeReport,
    linger: Callable[[], None],
    sockets: OpenSockets | None = None,
) -> Asked:
    """Ask for a commitment, and take a report that comes on the same association.

    Parameters
    ----------
    request : CommitmentRequest
    destination : DicomDestination
    calling_ae_title : str
        Used unless the destination names another.
    take_report : callable
        Takes a report; called on another thread.
    linger : callable
        Called once the peer has taken the request; the association is kept until it returns.
    sockets : OpenSockets, optional
        Told of the connection.
    """
    ae = requesting_ae(destination, calling_ae_title)
    reports = _Reports(destination.ae_title, take_report)
    handlers = [
        (evt.EVT_N_EVENT_REPORT, reports.take),
        (evt.EVT_PDU_SENT, reports.sent),
        (evt.EVT_CONN_CLOSE, reports.closed),
    ]
    try:
        association = associate(ae, destination, commitment_request(), handlers, sockets)
    except NothingAccepted:
        return Asked(Taking.NEVER, "the peer does not offer storage commitment")
    except NoAssociation as error:
        return Asked(Taking.NOT_NOW, str(error))
    try:
        status, _ = association.send_n_action(
            request_dataset(request), REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE
        )
        if "Status" not in status:
            return Asked(Taking.UNKNOWN, "no answer to the request, or the association broke")
        if status.Status != 0x0000:
            comment = str(status.get("ErrorComment", "") or "")
            words = f"the peer answered 0x{status.Status:04X} {comment}".strip()
            may_pass = status.Status in MAY_PASS
            return Asked(Taking.NOT_NOW if may_pass else Taking.NEVER, words)
        linger()
        # pynetdicom would release the association under a report that it is about to answer.
        reports.answered.wait(destination.response_timeout_s)
        return Asked(Taking.TAKEN, "asked for")
    except RuntimeError:  # between the negotiation and the call
        return Asked(Taking.NOT_NOW, "the association ended before the request was sent")
    finally:
        if association.is_established:
            association.release()


class _Reports:
    """Answers reports that come on the association of their request."""

    def __init__(self, ae_title: str, take_report: TakeReport) -> None:
        self._ae_title = ae_title
        self._take_report = take_report
        self.answered = threading.Event()
        """Clear while a report is taken, until its answer has left, or cannot any more."""
        self.answered.set()
        self._closed = False

    def take(self, event: evt.Event) -> tuple[int, None]:
        """Give the status that a report is answered with."""
        self.answered.clear()
        if self._closed:
            self.answered.set()
        try:
            information = event.event_information
        except Exception:  # whatever a decoder raises on bytes from the network
            return INVALID_ARGUMENT, None
        try:
            self._take_report(self._ae_title, event.event_type, information)
        except Refused as refused:
            return refused.status, None
        except Exception as error:  # the database does not take it: the peer is to repeat
            logger.error("commitment.failed %s", describe_fault(error))
            return PROCESSING_FAILURE, None
        return 0x0000, None

    def sent(self, event: evt.Event) -> None:
        """A PDU has left: once a report came, there is nothing to send but its answer."""
        if isinstance(event.pdu, P_DATA_TF):
            self.answered.set()

    def closed(self, _event: evt.Event) -> None:
        """The connection has ended."""
        self._closed = True
        self.answered.set()
