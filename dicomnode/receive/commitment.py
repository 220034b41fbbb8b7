"""Storage commitment on an association that a peer opened (PS3.4 Annex J).

Both roles are served: a peer asks for the commitment of what it sent (N-ACTION), or reports on
what the node asked it for (N-EVENT-REPORT). What follows from either is `Commitments`' to say; here
it is fitted between the command sets and the data sets of a conversation.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from dicomnode.commit.information import PUSH_MODEL, PUSH_MODEL_INSTANCE
from dicomnode.faults import describe_fault
from dicomnode.receive.command_sets import (
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    UNRECOGNISED_OPERATION,
    Request,
    Response,
    encode_event_report,
)
from dicomnode.receive.encoded import DataSetWalker, InvalidInstance
from dicomnode.receive.intake import Refused
from dicomnode.receive.negotiation import Context
from dicomnode.receive.sop_classes import IMPLICIT_VR_LE
from dicomnode.receive.upper_layer import AcceptorConnection

logger = logging.getLogger(__name__)

MAX_INFORMATION = 16 * 2**20
"""Bytes of one data set: a hundred thousand references."""

# PS3.7 Annex C
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT = 0x0115
CLASS_INSTANCE_CONFLICT = 0x0119
NO_SUCH_ACTION = 0x0123
NOT_AUTHORISED = 0x0124
RESOURCE_LIMITATION = 0x0213

COMMANDS = (N_ACTION_RQ, N_EVENT_REPORT_RQ)


@dataclass(frozen=True)
class ReportHere:
    """A report that is to be sent on the association that it was asked for on.

    Attributes
    ----------
    report_id : int
        By which `Commitments.answered` knows it.
    event_type : int
    information : bytes by transfer syntax
        The Event Information, encoded in Implicit and in Explicit VR Little Endian.
    """

    report_id: int
    event_type: int
    information: Mapping[str, bytes]


class Commitments(Protocol):
    """Who says what follows from a request or a report. All may be called from any thread."""

    def requested(
        self, calling_ae: str, called_ae: str, action_type: int | None, information: Dataset
    ) -> ReportHere | None:
        """Take a peer's request durably; give its report where it is to be sent at once.

        Raises
        ------
        Refused
        """

    def reported(self, calling_ae: str, event_type: int | None, information: Dataset) -> None:
        """Take a peer's report durably.

        Raises
        ------
        Refused
        """

    def answered(self, report_id: int, status: int) -> None:
        """Say what a peer answered to a report that was sent here."""


class Information:
    """The data set of a request or a report on its way in; in memory, for it is small."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.size = 0
        self._pieces: list[bytes] = []
        self.refused: Refused | None = None

    def write(self, data: memoryview) -> None:
        """Append; what is too long is only counted."""
        self.size += len(data)
        if self.size > MAX_INFORMATION:
            self.refused = Refused(INVALID_ARGUMENT, f"more than {MAX_INFORMATION} bytes")
            self.discard()
        else:
            self._pieces.append(bytes(data))

    def discard(self) -> None:
        """Forget what came."""
        self._pieces.clear()

    def decoded(self, transfer_syntax: str) -> Dataset:
        """Decode.

        Raises
        ------
        Refused
            If it is no data set.
        """
        if self.refused is not None:
            raise self.refused
        data = b"".join(self._pieces)
        implicit = transfer_syntax == IMPLICIT_VR_LE
        try:
            # Bounds the depth and the number of elements before anything is decoded.
            DataSetWalker(data, not implicit, frozenset()).walk()
            return read_dataset(io.BytesIO(data), implicit, True)
        except InvalidInstance as error:
            raise Refused(INVALID_ARGUMENT, error.reason) from None
        except Exception as error:  # whatever a decoder raises on bytes from the network
            raise Refused(INVALID_ARGUMENT, describe_fault(error)) from None


class CommitmentConversation:
    """What is said of storage commitment on one association.

    Parameters
    ----------
    connection : AcceptorConnection
    calling_ae, called_ae : str
    commitments : Commitments or None
        None where the node takes no part in it.
    """

    def __init__(
        self,
        connection: AcceptorConnection,
        calling_ae: str,
        called_ae: str,
        commitments: Commitments | None,
    ) -> None:
        self._connection = connection
        self._calling_ae = calling_ae
        self._called_ae = called_ae
        self._commitments = commitments
        self._unanswered: dict[int, int] = {}
        self._last_message_id = 0

    def take(
        self, request: Request, context: Context, incoming: Information | None
    ) -> ReportHere | None:
        """Take one N-ACTION or N-EVENT-REPORT; give a report that is to follow the answer.

        Raises
        ------
        Refused
        """
        if self._commitments is None or context.abstract_syntax != PUSH_MODEL:
            raise Refused(UNRECOGNISED_OPERATION, "no storage commitment on this context")
        if request.sop_class_uid != PUSH_MODEL:
            raise Refused(CLASS_INSTANCE_CONFLICT, "SOP class differs from the negotiated one")
        if request.sop_instance_uid != PUSH_MODEL_INSTANCE:
            raise Refused(NO_SUCH_INSTANCE, "not the well-known instance of storage commitment")
        if incoming is None:
            raise Refused(INVALID_ARGUMENT, "a data set is missing")
        information = incoming.decoded(context.transfer_syntax)
        try:
            if request.command == N_ACTION_RQ:
                return self._commitments.requested(
                    self._calling_ae, self._called_ae, request.type_id, information
                )
            self._commitments.reported(self._calling_ae, request.type_id, information)
        except Refused:
            raise
        except Exception as error:  # the database does not take it: the peer is to repeat
            logger.error("commitment.failed calling=%s %s", self._calling_ae, describe_fault(error))
            raise Refused(PROCESSING_FAILURE, "the node cannot take it now") from error
        return None

    def send(self, report: ReportHere, context_id: int, context: Context) -> None:
        """Send a report on this association.

        Raises
        ------
        ConnectionEnded
        """
        self._last_message_id = self._last_message_id % 0xFFFF + 1
        self._unanswered[self._last_message_id] = report.report_id
        self._connection.send_message(
            context_id,
            encode_event_report(
                PUSH_MODEL, PUSH_MODEL_INSTANCE, report.event_type, self._last_message_id
            ),
            report.information[context.transfer_syntax],
        )

    @property
    def awaits_answer(self) -> bool:
        """Whether a report was sent here that the peer has not answered."""
        return bool(self._unanswered)

    def answered(self, response: Response) -> bool:
        """Take a peer's answer to a report; False where there was none to answer."""
        report_id = self._unanswered.pop(response.message_id, None)
        if report_id is None or self._commitments is None:
            return False
        try:
            self._commitments.answered(report_id, response.status)
        except Exception as error:  # the report is sent again, which does no harm
            logger.error("commitment.failed calling=%s %s", self._calling_ae, describe_fault(error))
        return True
