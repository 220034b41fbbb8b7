"""Associations that the node asks for, each with a time-out on everything."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Sequence

from pynetdicom import AE, evt
from pynetdicom.association import Association

from dicomnode.open_sockets import OpenSockets
from dicomnode.proposed_contexts import Proposal
from dicomnode.reactor_pause import ReactorPause
from dicomnode.settings import DicomPeer
from dicomnode.tls.asking import AskingTLS
from dicomnode.tls.contexts import TLSFilesError

MAX_PDU = 131072
"""Bytes of the longest P-DATA-TF that a peer may send on an association of ours."""


class NoAssociation(Exception):
    """The peer could not be reached or did not accept the association; its own words."""


class Rejected(NoAssociation):
    """The peer answered with A-ASSOCIATE-RJ (PS3.8 9.3.4).

    Attributes
    ----------
    result, source, diagnostic : int
        As in the PDU; None where the peer sent none that is known.
    """

    def __init__(
        self, words: str, result: int | None, source: int | None, diagnostic: int | None
    ) -> None:
        super().__init__(words)
        self.result = result
        self.source = source
        self.diagnostic = diagnostic


class NothingAccepted(NoAssociation):
    """The peer answered, and accepts none of the SOP classes that it was offered."""


def requesting_ae(peer: DicomPeer, calling_ae_title: str) -> AE:
    """Make the application entity that asks `peer`, with a time-out on everything.

    Parameters
    ----------
    peer : DicomPeer
    calling_ae_title : str
        Used unless the peer's settings name another.
    """
    ae = AE(ae_title=peer.calling_ae_title or calling_ae_title)
    ae.maximum_pdu_size = MAX_PDU
    ae.connection_timeout = peer.connect_timeout_s
    ae.acse_timeout = peer.connect_timeout_s
    ae.dimse_timeout = peer.response_timeout_s
    ae.network_timeout = peer.response_timeout_s
    return ae


def associate(
    ae: AE,
    peer: DicomPeer,
    proposal: Proposal,
    handlers: Sequence[tuple[evt.EventType, Callable[..., object]]] = (),
    sockets: OpenSockets | None = None,
) -> Association:
    """Open an association.

    Parameters
    ----------
    ae : AE
    peer : DicomPeer
    proposal : Proposal
        The presentation contexts and roles that it is asked for.
    handlers : sequence of (event, handler)
    sockets : OpenSockets, optional
        Told of the connection, so that another thread can end it.

    Raises
    ------
    NoAssociation
        With the peer's or the network's own words; `Rejected` where the peer says no to the
        association, `NothingAccepted` where it takes none of the contexts.
    """
    ae.requested_contexts = list(proposal.contexts)
    called = f"{peer.ae_title}@{peer.host}:{peer.port}"
    try:
        tls = None if peer.tls is None else AskingTLS(peer.tls, peer.host)
    except TLSFilesError as error:
        raise NoAssociation(f"{called} was not asked: TLS: {error}") from None
    try:
        association = ae.associate(
            peer.host,
            peer.port,
            ae_title=peer.ae_title,
            ext_neg=list(proposal.roles),
            tls_args=None if tls is None else tls.arguments,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, _prepare, [peer.response_timeout_s, sockets]),
                *handlers,
            ],
        )
    except OSError as error:  # a name that does not resolve
        raise NoAssociation(f"{called} could not be reached: {error.strerror}") from None
    if association.is_established:
        ReactorPause(association).put_in_place()
        return association
    if association.is_rejected:
        answer = association.acceptor.primitive
        raise Rejected(
            f"{called} rejected the association: {answer.result_str}, {answer.reason_str}",
            answer.result,
            answer.result_source,
            answer.diagnostic,
        )
    if association.rejected_contexts:
        classes = sorted({context.abstract_syntax for context in association.rejected_contexts})
        raise NothingAccepted(f"{called} does not accept SOP class {', '.join(classes)}")
    if tls is not None and tls.fault is not None:
        raise NoAssociation(f"{called}: no TLS: {tls.fault}")
    if association.is_aborted:
        raise NoAssociation(f"{called} could not be reached, or aborted the association")
    raise NoAssociation(f"no association with {called}")


def _prepare(event: evt.Event, patience_s: float, sockets: OpenSockets | None) -> None:
    """Bound the time that a peer may leave our bytes untaken, and send small messages at once.

    pynetdicom sends without a time-out: a peer that keeps the connection and stops reading would
    hold the thread that talks to it for ever.
    """
    connection = event.assoc.dul.socket.socket
    if isinstance(connection, ssl.SSLSocket):
        # Python repeats what the kernel gave up, unless the time-out is Python's own.
        connection.settimeout(patience_s)
    else:
        timeval = struct.pack("@ll", int(patience_s), int(patience_s % 1 * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    # Command and data set are two messages: Nagle's algorithm would hold back the second.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sockets is not None:
        sockets.opened(connection)
