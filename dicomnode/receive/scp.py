"""The listening side: its ports, its connections, and how it starts and stops."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dicomnode.audit.messages import Alert, SecurityAlert
from dicomnode.audit.participants import Outcome, Participant
from dicomnode.audit.trail import NoTransfers, NullTrail, Trail
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import handshake_failed, rejected
from dicomnode.receive.admission import Admission
from dicomnode.receive.callers import Callers, TurnedAway
from dicomnode.receive.commitment import Commitments
from dicomnode.receive.conversation import Conversation
from dicomnode.receive.intake import Index
from dicomnode.receive.negotiation import Negotiator
from dicomnode.receive.offered import supported_contexts
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.session import Listener, Session
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.receive.upper_layer import (
    LOCAL_LIMIT_EXCEEDED,
    NOT_SPECIFIED,
    TEMPORARY_CONGESTION,
    AcceptorConnection,
    ConnectionEnded,
    ProtocolError,
)
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance
from dicomnode.tls.faults import kind_of, words_of
from dicomnode.tls.in_force import ServerTLS

logger = logging.getLogger(__name__)

_NO_ALERT = (TEMPORARY_CONGESTION, LOCAL_LIMIT_EXCEEDED)
"""Who is turned away so may come in at another time: no matter of security."""


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
    tls : ServerTLS, optional
        Needed where the settings have a port with TLS.
    pressure : Pressure, optional
        Says for what there is room; without it only the store does.
    callers : Callers, optional
        Says who may come in, and with which limits; without it the settings alone do.
    trail : Trail, optional
        The audit trail: told of what came, and of who was turned away.
    """

    def __init__(
        self,
        settings: ReceiverSettings,
        store: FileStore,
        index: Index,
        on_stored: Callable[[ReceivedInstance], object] | None = None,
        commitments: Commitments | None = None,
        tls: ServerTLS | None = None,
        pressure: Pressure | None = None,
        callers: Callers | None = None,
        trail: Trail | None = None,
    ) -> None:
        if settings.tls_port is not None and tls is None:
            raise ValueError("found a port with TLS and no certificate, expected both")
        self.settings = settings
        self._tls = tls
        self._pressure = pressure
        self._admission = Admission(settings, callers or Callers(), pressure)
        self._trail = trail or NullTrail()
        self._store = store
        self._index = index
        self._on_stored = on_stored
        self._commitments = commitments
        self._negotiator = Negotiator(supported_contexts(commitments is not None))
        self._plain: Listener | None = None
        self._secured: Listener | None = None
        self._stopping = False

    @property
    def port(self) -> int:
        """The port that is listened on; where all is TLS, that of TLS."""
        if self._plain is not None:
            return self._plain.port
        if self._secured is not None:
            return self._secured.port
        return self.settings.port if self.settings.plain else self.settings.tls_port or 0

    @property
    def tls_port(self) -> int | None:
        """The port where TLS is spoken; None where there is none."""
        return self.settings.tls_port if self._secured is None else self._secured.port

    @property
    def listening(self) -> bool:
        """Whether associations are taken."""
        listeners = self._listeners
        return bool(listeners) and all(listener.thread.is_alive() for listener in listeners)

    @property
    def _listeners(self) -> list[Listener]:
        return [one for one in (self._plain, self._secured) if one is not None]

    @property
    def associations(self) -> int:
        """Associations open now."""
        return self._admission.associations

    def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The address cannot be listened on.
        RuntimeError
            Already listening.
        """
        if self._listeners:
            raise RuntimeError("already listening")
        self._stopping = False
        settings = self.settings
        try:
            if settings.plain:
                self._plain = Listener(settings.host, settings.port, False)
            if settings.tls_port is not None:
                self._secured = Listener(settings.host, settings.tls_port, True)
        except OSError:
            self._close_listeners()
            raise
        for listener in self._listeners:
            listener.thread = threading.Thread(
                target=self._accept_all, args=(listener,), name="dicom-accept", daemon=True
            )
            listener.thread.start()
        logger.info(
            "receiver.started ae=%s port=%d tls_port=%s",
            settings.ae_title,
            self.port,
            self.tls_port,
        )

    def stop(self, grace_s: float = 10.0) -> None:
        """Stop accepting, let requests that are being received end, abort the rest.

        Parameters
        ----------
        grace_s : float
            How long a request may take to end.
        """
        if not self._listeners:
            return
        self._stopping = True
        self._close_listeners()
        sessions = self._admission.sessions
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

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._plain = self._secured = None

    def _accept_all(self, listener: Listener) -> None:
        while not self._stopping:
            try:
                connection, address = listener.socket.accept()
            except OSError as error:
                if self._stopping:
                    return
                # Out of descriptors, or a peer that was gone before it was accepted.
                logger.error("receiver.accept_failed %s", error)
                time.sleep(0.1)
                continue
            session = Session(connection)
            session.thread = threading.Thread(
                target=self._serve,
                args=(session, address[0], listener.secured),
                name="dicom-association",
                daemon=True,
            )
            self._admission.connected(session)
            try:
                session.thread.start()
            except RuntimeError as error:
                logger.error("receiver.accept_failed %s", error)
                self._admission.forget(session)
                connection.close()

    def _handshake(self, session: Session, address: str) -> bool:
        """Make TLS of a connection, on its own thread: one that hangs holds up nobody else."""
        try:
            session.secure(self._tls.context, self.settings.handshake_timeout_s)
        except OSError as error:
            kind = kind_of(error)
            if kind == "closed":  # a health check that connects and closes is no news
                logger.debug("tls.failed address=%s reason=%s", address, words_of(error))
            else:
                logger.warning("tls.failed address=%s reason=%s", address, words_of(error))
                words = f"a TLS handshake failed: {kind}"
                self._alert(words, Participant("unknown", address))
            handshake_failed(kind)
            return False
        return True

    def _serve(self, session: Session, address: str, secured: bool) -> None:
        connection = None
        calling = "unknown"
        transfers = NoTransfers()
        try:
            if secured and not self._handshake(session, address):
                return
            connection = AcceptorConnection(
                session.socket, self.settings.max_pdu, self.settings.network_timeout_s
            )
            request = connection.read_associate_request(self._negotiator)
            calling = request.calling_ae_title
            try:
                admitted = self._admission.admit(session, request, address)
            except TurnedAway as away:
                logger.warning(
                    "association.rejected calling=%s address=%s caller=%s why=%s %s",
                    calling,
                    address,
                    away.caller,
                    away.why,
                    away.rejection,
                )
                rejected(away.rejection.source, away.rejection.diagnostic)
                if away.rejection not in _NO_ALERT:
                    words = f"an association was rejected: {away.why}, rule {away.caller}"
                    self._alert(words, Participant.ae(calling, address))
                connection.reject(away.rejection)
                return
            contexts = connection.accept(request, self._negotiator, admitted.max_pdu)
            logger.info(
                "association.accepted calling=%s address=%s caller=%s contexts=%d tls=%s",
                calling,
                address,
                admitted.name,
                len(contexts),
                session.socket.version() if secured else "none",
            )
            transfers = self._trail.transfers(Participant.ae(calling, address), sends=True)
            Conversation(
                connection,
                contexts,
                calling,
                request.called_ae_title,
                self._store,
                self._index,
                admitted.max_object_bytes or self.settings.max_object_bytes,
                self._on_stored,
                session.busy,
                self._commitments,
                self._pressure,
                admitted.read,
                transfers,
            ).run()
            self._admission.forget(session)
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
            self._admission.forget(session)
            session.socket.close()
            transfers.end()

    def _alert(self, words: str, who: Participant) -> None:
        self._trail.note(
            SecurityAlert(Alert.NODE_AUTHENTICATION, words, who, Outcome.SERIOUS_FAILURE)
        )
