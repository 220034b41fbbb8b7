"""The listening side: who may associate, how many, and how it starts and stops."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from dicomnode.commit.information import PUSH_MODEL
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import rejected
from dicomnode.receive.commitment import Commitments
from dicomnode.receive.conversation import Conversation
from dicomnode.receive.intake import Index
from dicomnode.receive.sop_classes import (
    STORAGE_CLASSES,
    UNCOMPRESSED,
    VERIFICATION,
    transfer_syntaxes,
)
from dicomnode.receive.upper_layer import (
    CALLED_AE_NOT_RECOGNISED,
    CALLING_AE_NOT_RECOGNISED,
    LOCAL_LIMIT_EXCEEDED,
    NOT_SPECIFIED,
    AcceptorConnection,
    ConnectionEnded,
    ProtocolError,
    Rejection,
)
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance

logger = logging.getLogger(__name__)

# Connections that have not asked for an association yet: health checks, port scans, silence.
_MAX_UNASSOCIATED = 128


@dataclass(frozen=True)
class ReceiverSettings:
    """How the node listens.

    Attributes
    ----------
    host : str
        Address to listen on; empty for all.
    port : int
        0 takes a free one.
    ae_title : str
        Title of the node.
    more_ae_titles : tuple of str
        Other titles that it may be called by.
    accepted_calling_aets : tuple of str
        Who may associate; empty for anybody.
    require_called_aet : bool
        Refuse associations that call another title than `ae_title` and `more_ae_titles`.
    max_associations : int
        Associations at one time. Bare TCP connections do not count.
    max_pdu : int
        Bytes of the longest P-DATA-TF that a peer may send.
    network_timeout_s : float
        Silence after which a connection is aborted, and the longest that one PDU may take.
    max_object_bytes : int
        Bytes of the largest data set that is received.
    """

    host: str = ""
    port: int = 11112
    ae_title: str = "SOFTMASK"
    more_ae_titles: tuple[str, ...] = ()
    accepted_calling_aets: tuple[str, ...] = ()
    require_called_aet: bool = True
    max_associations: int = 20
    max_pdu: int = 131072
    network_timeout_s: float = 60.0
    max_object_bytes: int = 4 * 2**30

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port}, expected 0 to 65535")
        if not 0 < len(self.ae_title.strip()) <= 16:
            raise ValueError(f"AE title {self.ae_title!r}, expected 1 to 16 characters")
        if self.max_associations < 1:
            raise ValueError(f"max_associations {self.max_associations}, expected at least 1")
        if not 4096 <= self.max_pdu <= 2**24:
            raise ValueError(f"max_pdu {self.max_pdu}, expected 4096 to {2**24}")
        if self.network_timeout_s <= 0:
            raise ValueError(f"network_timeout_s {self.network_timeout_s}, expected more than 0")
        if self.max_object_bytes < 1:
            raise ValueError(f"max_object_bytes {self.max_object_bytes}, expected at least 1")


class _Session:
    """One connection and its thread."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._busy = False
        self._stopping = False

    def busy(self, busy: bool) -> None:
        with self._lock:
            self._busy = busy
            if self._stopping and not busy:
                raise ConnectionEnded("the node stops")

    def stop_when_idle(self) -> None:
        with self._lock:
            self._stopping = True
            if not self._busy:
                self._end(socket.SHUT_RD)

    def end(self) -> None:
        self._end(socket.SHUT_RDWR)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def _end(self, how: int) -> None:
        # Wakes the thread that is blocked in recv(); closing the socket would not.
        with contextlib.suppress(OSError):
            self.socket.shutdown(how)


class StorageSCP:
    """Verification, Storage and Storage Commitment SCP; takes reports of storage commitment, too.

    A C-STORE is answered with 0x0000 only once the instance is fsynced under its final name and
    `index.add` has returned.

    Parameters
    ----------
    settings : ReceiverSettings
    store : FileStore
        Its `sweep` is for the owner to call, before `start`.
    index : Index
    on_stored : callable, optional
        Called with each stored instance after its sender was told, or is gone, on the
        association's thread: must be quick.
    commitments : Commitments, optional
        Without it, storage commitment is not accepted.
    """

    def __init__(
        self,
        settings: ReceiverSettings,
        store: FileStore,
        index: Index,
        on_stored: Callable[[ReceivedInstance], object] | None = None,
        commitments: Commitments | None = None,
    ) -> None:
        self.settings = settings
        self._store = store
        self._index = index
        self._on_stored = on_stored
        self._commitments = commitments
        self._supported = supported_contexts(commitments is not None)
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._lock = threading.Lock()
        self._unassociated: OrderedDict[_Session, None] = OrderedDict()
        self._associated: set[_Session] = set()
        self._stopping = False

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._listener is None:
            return self.settings.port
        return self._listener.getsockname()[1]

    @property
    def listening(self) -> bool:
        """Whether associations are taken."""
        return self._listener is not None and self._acceptor.is_alive()

    @property
    def associations(self) -> int:
        """Associations open now."""
        with self._lock:
            return len(self._associated)

    def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be listened on.
        RuntimeError
            Already listening.
        """
        if self._listener is not None:
            raise RuntimeError("already listening")
        self._stopping = False
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        self._listener = socket.create_server(
            (self.settings.host, self.settings.port), family=family, backlog=128
        )
        self._acceptor = threading.Thread(
            target=self._accept_all, args=(self._listener,), name="dicom-accept", daemon=True
        )
        self._acceptor.start()
        logger.info("receiver.started ae=%s port=%d", self.settings.ae_title, self.port)

    def stop(self, grace_s: float = 10.0) -> None:
        """Stop accepting, let requests that are being received end, abort the rest.

        Parameters
        ----------
        grace_s : float
            How long a request may take to end.
        """
        if self._listener is None:
            return
        self._stopping = True
        # Wakes accept(); a mere close() would leave it blocked.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self._listener = None
        with self._lock:
            sessions = [*self._unassociated, *self._associated]
        for session in sessions:
            session.stop_when_idle()
        end = time.monotonic() + grace_s
        for session in sessions:
            session.thread.join(max(0.0, end - time.monotonic()))
        for session in sessions:
            if session.thread.is_alive():
                session.end()
                session.thread.join(self.settings.network_timeout_s)
        logger.info("receiver.stopped ae=%s", self.settings.ae_title)

    def __enter__(self) -> StorageSCP:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    # -- connections

    def _accept_all(self, listener: socket.socket) -> None:
        while not self._stopping:
            try:
                connection, _ = listener.accept()
            except OSError as error:
                if self._stopping:
                    return
                # Out of descriptors, or a peer that was gone before it was accepted.
                logger.error("receiver.accept_failed %s", error)
                time.sleep(0.1)
                continue
            session = _Session(connection)
            session.thread = threading.Thread(
                target=self._serve, args=(session,), name="dicom-association", daemon=True
            )
            with self._lock:
                self._unassociated[session] = None
                if len(self._unassociated) > _MAX_UNASSOCIATED:
                    # The one that has been silent longest gives way, so that silence never locks
                    # anybody out.
                    oldest, _ = self._unassociated.popitem(last=False)
                    oldest.end()
            try:
                session.thread.start()
            except RuntimeError as error:
                logger.error("receiver.accept_failed %s", error)
                self._forget(session)
                connection.close()

    def _serve(self, session: _Session) -> None:
        connection = None
        calling = "unknown"
        try:
            connection = AcceptorConnection(
                session.socket, self.settings.max_pdu, self.settings.network_timeout_s
            )
            request = connection.read_associate_request()
            calling = request.calling_ae_title.strip()
            if (rejection := self._admit(session, request)) is not None:
                logger.warning("association.rejected calling=%s %s", calling, rejection)
                rejected(rejection.source, rejection.diagnostic)
                connection.reject(request, rejection)
                return
            contexts = connection.accept(request, self._supported)
            logger.info("association.accepted calling=%s contexts=%d", calling, len(contexts))
            Conversation(
                connection,
                contexts,
                calling,
                request.called_ae_title.strip(),
                self._store,
                self._index,
                self.settings.max_object_bytes,
                self._on_stored,
                session.busy,
                self._commitments,
            ).run()
            self._forget(session)
            connection.confirm_release()
        except ProtocolError as error:
            logger.warning("association.aborted calling=%s reason=%s", calling, error)
            connection.abort(error.reason)
        except ConnectionEnded as error:
            if session.stopping and connection is not None:
                connection.abort(NOT_SPECIFIED)
            # A health check that connects and closes is no news.
            level = logging.DEBUG if calling == "unknown" else logging.INFO
            logger.log(level, "association.ended calling=%s reason=%s", calling, error)
        except Exception as error:
            # A fault of the node's own: this association ends, the others do not notice.
            logger.error("association.failed calling=%s %s", calling, describe_fault(error))
            if connection is not None:
                connection.abort(NOT_SPECIFIED)
        finally:
            self._forget(session)
            session.socket.close()

    def _admit(self, session: _Session, request: A_ASSOCIATE) -> Rejection | None:
        """Check titles and count (PS3.8 9.3.4); an admitted session is counted."""
        settings = self.settings
        titles = {title.strip() for title in (settings.ae_title, *settings.more_ae_titles)}
        if settings.require_called_aet and request.called_ae_title.strip() not in titles:
            return CALLED_AE_NOT_RECOGNISED
        accepted = settings.accepted_calling_aets
        if accepted and request.calling_ae_title.strip() not in {a.strip() for a in accepted}:
            return CALLING_AE_NOT_RECOGNISED
        with self._lock:
            if len(self._associated) >= settings.max_associations:
                return LOCAL_LIMIT_EXCEEDED
            self._unassociated.pop(session, None)
            self._associated.add(session)
        return None

    def _forget(self, session: _Session) -> None:
        with self._lock:
            self._unassociated.pop(session, None)
            self._associated.discard(session)


def supported_contexts(commitment: bool) -> list[PresentationContext]:
    """Presentation contexts that are accepted; with storage commitment or without it."""
    contexts = []
    for sop_class in sorted(STORAGE_CLASSES | {VERIFICATION}):
        context = PresentationContext()
        context.abstract_syntax = sop_class
        context.transfer_syntax = list(
            UNCOMPRESSED if sop_class == VERIFICATION else transfer_syntaxes(sop_class)
        )
        contexts.append(context)
    if commitment:
        context = PresentationContext()
        context.abstract_syntax = PUSH_MODEL
        context.transfer_syntax = list(UNCOMPRESSED)
        # A peer may ask (as SCU, by default) and may report (as SCP, PS3.4 J.1).
        context.scu_role = context.scp_role = True
        contexts.append(context)
    return contexts
