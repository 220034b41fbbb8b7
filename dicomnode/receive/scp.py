"""The listening side: who may associate, how many, and how it starts and stops."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from dicomnode.audit.messages import Alert, SecurityAlert
from dicomnode.audit.participants import Outcome, Participant
from dicomnode.audit.trail import NoTransfers, NullTrail, Trail
from dicomnode.commit.information import PUSH_MODEL
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import handshake_failed, rejected
from dicomnode.receive.callers import Admitted, Callers, TurnedAway
from dicomnode.receive.commitment import Commitments
from dicomnode.receive.conversation import Conversation
from dicomnode.receive.intake import Index
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.session import Listener, Session
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
    TEMPORARY_CONGESTION,
    AcceptorConnection,
    ConnectionEnded,
    ProtocolError,
)
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance
from dicomnode.tls.faults import kind_of, words_of
from dicomnode.tls.in_force import ServerTLS
from dicomnode.tls.shown import shown_by

logger = logging.getLogger(__name__)

# Connections that have not asked for an association yet: health checks, port scans, silence.
_MAX_UNASSOCIATED = 128


_NO_ALERT = (TEMPORARY_CONGESTION, LOCAL_LIMIT_EXCEEDED)
"""Who is turned away so may come in at another time: no matter of security."""


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
    tls_port : int, optional
        Where associations with TLS are taken; 0 takes a free one, None takes none.
    plain : bool
        Whether associations without TLS are taken, at `port`.
    handshake_timeout_s : float
        The longest that a TLS handshake may take as a whole.
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
    tls_port: int | None = None
    plain: bool = True
    handshake_timeout_s: float = 10.0

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
        if self.tls_port is None and not self.plain:
            raise ValueError("found neither a port with TLS nor one without, expected one")
        if self.handshake_timeout_s <= 0:
            raise ValueError(
                f"handshake_timeout_s {self.handshake_timeout_s}, expected more than 0"
            )


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
        self._callers = callers or Callers()
        self._trail = trail or NullTrail()
        self._store = store
        self._index = index
        self._on_stored = on_stored
        self._commitments = commitments
        self._supported = supported_contexts(commitments is not None)
        self._plain: Listener | None = None
        self._secured: Listener | None = None
        self._lock = threading.Lock()
        self._unassociated: OrderedDict[Session, None] = OrderedDict()
        self._associated: set[Session] = set()
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
            request = connection.read_associate_request()
            calling = request.calling_ae_title.strip()
            try:
                admitted = self._admit(session, request, address)
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
                connection.reject(request, away.rejection)
                return
            contexts = connection.accept(request, self._supported, admitted.max_pdu)
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
                request.called_ae_title.strip(),
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
            transfers.end()

    def _alert(self, words: str, who: Participant) -> None:
        self._trail.note(
            SecurityAlert(Alert.NODE_AUTHENTICATION, words, who, Outcome.SERIOUS_FAILURE)
        )

    def _admit(self, session: Session, request: A_ASSOCIATE, address: str) -> Admitted:
        """Check titles, caller, room and count (PS3.8 9.3.4); an admitted session is counted."""
        settings = self.settings
        titles = {title.strip() for title in (settings.ae_title, *settings.more_ae_titles)}
        if settings.require_called_aet and request.called_ae_title.strip() not in titles:
            raise TurnedAway(CALLED_AE_NOT_RECOGNISED, "called-ae")
        calling = request.calling_ae_title.strip()
        accepted = settings.accepted_calling_aets
        if accepted and calling not in {a.strip() for a in accepted}:
            raise TurnedAway(CALLING_AE_NOT_RECOGNISED, "calling-ae")
        secured = isinstance(session.socket, ssl.SSLSocket)
        certificate = shown_by(session.socket) if secured else None
        admitted = self._callers.admit(calling, address, certificate, secured)
        proposed = request.presentation_context_definition_list
        if self._pressure is not None and self._pressure.turns_away(
            str(context.abstract_syntax) for context in proposed
        ):
            admitted.leave()
            raise TurnedAway(TEMPORARY_CONGESTION, "room")
        with self._lock:
            if len(self._associated) >= settings.max_associations:
                admitted.leave()
                raise TurnedAway(LOCAL_LIMIT_EXCEEDED, "associations")
            session.admitted = admitted
            self._unassociated.pop(session, None)
            self._associated.add(session)
        return admitted

    def _forget(self, session: Session) -> None:
        with self._lock:
            self._unassociated.pop(session, None)
            self._associated.discard(session)
            if session.admitted is not None:
                session.admitted.leave()


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
