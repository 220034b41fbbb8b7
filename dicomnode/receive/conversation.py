"""What is said on one association: C-ECHO, C-STORE and storage commitment (PS3.4 A, B and J)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from dicomnode.audit.participants import Action, Outcome
from dicomnode.audit.trail import NoTransfers, Transferred
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import refused as count_refused
from dicomnode.metrics.counted import too_large, took
from dicomnode.receive.command_sets import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    N_EVENT_REPORT_RQ,
    RESPONSE,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNISED_OPERATION,
    InvalidCommandSet,
    Request,
    Response,
    decode,
    encode_response,
)
from dicomnode.receive.commitment import (
    COMMANDS,
    CommitmentConversation,
    Commitments,
    Information,
    ReportHere,
)
from dicomnode.receive.encoded import CANNOT_UNDERSTAND, DOES_NOT_MATCH_SOP_CLASS
from dicomnode.receive.intake import (
    Announced,
    Index,
    Refused,
    begin_file,
    keep_file,
    out_of_resources,
)
from dicomnode.receive.negotiation import Context
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.sop_classes import STORAGE_CLASSES, VERIFICATION
from dicomnode.receive.upper_layer import (
    INVALID_PARAMETER,
    NOT_SPECIFIED,
    AcceptorConnection,
    Fragment,
    ProtocolError,
)
from dicomnode.store.files import FileStore, StorageError
from dicomnode.store.part_file import PartFile
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.uid import is_valid_uid

logger = logging.getLogger(__name__)

_MAX_COMMAND_SET = 2**16
_SERVED = "only C-STORE, C-ECHO and storage commitment are served"


class Conversation:
    """Answers the requests of one association, one after the other.

    Parameters
    ----------
    connection : AcceptorConnection
    contexts : mapping
        Accepted presentation contexts by id.
    calling_ae, called_ae : str
    store : FileStore
    index : Index
    max_object_bytes : int
        A data set that grows beyond this aborts the association.
    on_stored : callable, optional
        Called with what was stored, after the sender was told, or is gone.
    busy : callable
        Called with True when a request begins and with False once it is answered; may raise
        to end the association.
    commitments : Commitments, optional
        Says what follows from N-ACTION and N-EVENT-REPORT.
    pressure : Pressure, optional
        Says for which objects there is room.
    on_read : callable, optional
        Called with the bytes of each fragment of a data set; may take its time, so that the peer
        sends slower.
    transfers : Transferred, optional
        Told of each instance, for the audit trail.
    """

    def __init__(
        self,
        connection: AcceptorConnection,
        contexts: Mapping[int, Context],
        calling_ae: str,
        called_ae: str,
        store: FileStore,
        index: Index,
        max_object_bytes: int,
        on_stored: Callable[[ReceivedInstance], object] | None,
        busy: Callable[[bool], None],
        commitments: Commitments | None = None,
        pressure: Pressure | None = None,
        on_read: Callable[[int], None] | None = None,
        transfers: Transferred | None = None,
    ) -> None:
        self._connection = connection
        self._transfers = transfers or NoTransfers()
        self._on_read = on_read
        self._pressure = pressure
        self._contexts = contexts
        self._calling_ae = calling_ae
        self._called_ae = called_ae
        self._store = store
        self._index = index
        self._max_object_bytes = max_object_bytes
        self._on_stored = on_stored
        self._busy = busy
        self._commitment = CommitmentConversation(connection, calling_ae, called_ae, commitments)

        self._command = bytearray()
        self._context_id: int | None = None
        self._incoming: _IncomingDataSet | Information | None = None

    def run(self) -> None:
        """Answer until the peer releases the association.

        Raises
        ------
        ProtocolError, ConnectionEnded
            Whatever was being received is discarded.
        """
        try:
            for fragment in self._connection.fragments():
                self._receive(fragment)
        finally:
            if self._incoming is not None:
                self._incoming.discard()
                logger.warning("instance.incomplete calling=%s", self._calling_ae)

    def _receive(self, fragment: Fragment) -> None:
        # PS3.8 Annex E: one message is on one context, its command before its data set.
        if self._context_id is None:
            if fragment.context_id not in self._contexts:
                raise ProtocolError(
                    INVALID_PARAMETER, f"presentation context {fragment.context_id} not accepted"
                )
            self._context_id = fragment.context_id
            self._busy(True)
        elif fragment.context_id != self._context_id:
            raise ProtocolError(INVALID_PARAMETER, "presentation context changed in a message")
        if fragment.is_command != (self._incoming is None):
            raise ProtocolError(INVALID_PARAMETER, "command and data set out of order")
        if fragment.is_command:
            self._receive_command(fragment)
        else:
            self._receive_data(fragment)

    def _receive_command(self, fragment: Fragment) -> None:
        self._command += fragment.data
        if len(self._command) > _MAX_COMMAND_SET:
            raise ProtocolError(INVALID_PARAMETER, f"command set over {_MAX_COMMAND_SET} bytes")
        if not fragment.is_last:
            return
        try:
            request = decode(bytes(self._command))
        except InvalidCommandSet as error:
            raise ProtocolError(INVALID_PARAMETER, f"command set: {error}") from error
        self._command.clear()
        if isinstance(request, Response):
            self._receive_response(request)
        elif request.has_data_set:
            self._incoming = self._begin(request)
        else:
            self._finish(request, None)

    def _receive_response(self, response: Response) -> None:
        """The peer answers a report of storage commitment; nothing else is ever asked here."""
        answers_report = response.command == RESPONSE | N_EVENT_REPORT_RQ
        # An Event Reply is none of storage commitment's (PS3.4 J.3.3.1.2).
        if not answers_report or response.has_data_set or not self._commitment.answered(response):
            raise ProtocolError(
                INVALID_PARAMETER,
                f"a response (0x{response.command:04X}) where a request should be",
            )
        self._context_id = None
        self._busy(self._commitment.awaits_answer)

    def _receive_data(self, fragment: Fragment) -> None:
        incoming = self._incoming
        assert incoming is not None
        if self._on_read is not None:
            self._on_read(len(fragment.data))
        if incoming.size + len(fragment.data) > self._max_object_bytes:
            too_large()
            # There is no answer that makes a sender stop; an abort does.
            raise ProtocolError(
                NOT_SPECIFIED, f"a data set of more than {self._max_object_bytes} bytes"
            )
        incoming.write(fragment.data)
        if fragment.is_last:
            self._incoming = None
            self._finish(incoming.request, incoming)

    # -- one message

    def _begin(self, request: Request) -> _IncomingDataSet | Information:
        """Open a file for the data set that follows, or note why it will be refused."""
        if request.command in COMMANDS:
            return Information(request)
        context = self._contexts[self._context_id]
        announced = Announced(
            request.sop_class_uid,
            request.sop_instance_uid,
            context.transfer_syntax,
            self._calling_ae,
            self._called_ae,
            request.priority,
        )
        incoming = _IncomingDataSet(request, announced)
        try:
            _check_request(request, context)
            incoming.part = begin_file(self._store, announced, self._pressure)
        except Refused as refused:
            incoming.refused = refused
        return incoming

    def _finish(self, request: Request, incoming: _IncomingDataSet | Information | None) -> None:
        received: ReceivedInstance | None = None
        report: ReportHere | None = None
        status, comment = SUCCESS, ""
        try:
            if request.command == C_STORE_RQ:
                received = self._store_instance(request, incoming)
            elif request.command in COMMANDS:
                context = self._contexts[self._context_id]
                report = self._commitment.take(request, context, incoming)
            elif request.command != C_ECHO_RQ:
                raise Refused(UNRECOGNISED_OPERATION, _SERVED)
        except Refused as refused:
            status, comment = refused.status, refused.reason
            kind = "commitment" if request.command in COMMANDS else "instance"
            count_refused(kind, status)
            if request.command == C_STORE_RQ:
                self._tell_of_refused(request, status)
            logger.warning(
                "%s.refused status=0x%04X sop=%s calling=%s reason=%s",
                kind,
                status,
                request.sop_instance_uid if is_valid_uid(request.sop_instance_uid) else "invalid",
                self._calling_ae,
                comment,
            )
        finally:
            if incoming is not None:
                incoming.discard()
            context_id, self._context_id = self._context_id, None
        try:
            # Nothing is ever in progress that could be cancelled, and C-CANCEL has no answer.
            if request.command != C_CANCEL_RQ:
                self._connection.send_command(context_id, encode_response(request, status, comment))
        finally:
            # Also when the sender is gone: the instance is here all the same.
            if received is not None:
                self._follow_up(received)
        if report is not None:
            self._commitment.send(report, context_id, self._contexts[context_id])
        # A stop lets the peer answer: the report has come only then.
        self._busy(self._commitment.awaits_answer)

    def _tell_of_refused(self, request: Request, status: int) -> None:
        """Whose study it is of was not read, or cannot be believed."""
        known = is_valid_uid(request.sop_class_uid)
        self._transfers.went(
            "",
            request.sop_class_uid if known else "",
            outcome=Outcome.SERIOUS_FAILURE,
            words=f"refused with status 0x{status:04X}",
        )

    def _follow_up(self, received: ReceivedInstance) -> None:
        header = received.header
        self._transfers.went(
            header.study_instance_uid,
            header.sop_class_uid,
            Action.CREATE if received.new else Action.READ,
        )
        if self._on_stored is None:
            return
        try:
            self._on_stored(received)
        except Exception as error:
            # The instance is safe; what follows from it is resumed from the index.
            logger.error(
                "instance.followup_failed sop=%s %s",
                received.header.sop_instance_uid,
                describe_fault(error),
            )

    def _store_instance(
        self, request: Request, incoming: _IncomingDataSet | None
    ) -> ReceivedInstance:
        """Validate, make durable and index."""
        if incoming is None:
            raise Refused(CANNOT_UNDERSTAND, "C-STORE without a data set")
        if incoming.refused is not None:
            raise incoming.refused
        assert incoming.part is not None
        received = keep_file(incoming.part, incoming.announced, self._index)
        took("receive", time.monotonic() - incoming.begun)
        return received


class _IncomingDataSet:
    """A data set on its way into a file; once refused, the rest is only counted."""

    def __init__(self, request: Request, announced: Announced) -> None:
        self.request = request
        self.announced = announced
        self.size = 0
        self.begun = time.monotonic()
        self.part: PartFile | None = None
        self.refused: Refused | None = None

    def write(self, data: memoryview) -> None:
        self.size += len(data)
        if self.part is None or self.refused is not None:
            return
        try:
            self.part.write(data)
        except StorageError as error:
            self.refused = out_of_resources(error)
            self.discard()

    def discard(self) -> None:
        if self.part is not None:
            self.part.discard()


def _check_request(request: Request, context: Context) -> None:
    if request.command != C_STORE_RQ:
        raise Refused(UNRECOGNISED_OPERATION, _SERVED)
    if request.sop_class_uid not in STORAGE_CLASSES or context.abstract_syntax == VERIFICATION:
        raise Refused(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not one that the node stores")
    if request.sop_class_uid != context.abstract_syntax:
        raise Refused(DOES_NOT_MATCH_SOP_CLASS, "SOP class differs from the negotiated one")
