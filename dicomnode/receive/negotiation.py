"""What a peer proposes, and what the node agrees to (PS3.8 7.1.1, 9.3.2 and 9.3.3).

pynetdicom decodes, negotiates and encodes, which takes some ten milliseconds for a peer that
proposes all that there is. The same software proposes the same each time, so what was agreed once
is kept by a digest of the proposal; who asks, and for how long a PDU, is each peer's own.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
FIXED_FIELDS = 68
"""Bytes of an A-ASSOCIATE-RQ between its length and its variable items (PS3.8 Table 9-11)."""

_MOST_KEPT = 64
_LONGEST_KEPT = 2**16
_MOST_CONTEXTS = 128
"""Ids are the odd numbers up to 255 (PS3.8 9.3.2.2), and 128 contexts with ten transfer syntaxes
each are shorter than that. Whoever proposes more is negotiated with anew each time, so that what is
kept stays within some MB."""

_PDU_HEAD = struct.Struct(">BxL")
_ACCEPTED_HEAD = struct.Struct(">BxLHxx64s")  # PS3.8 Table 9-17
_MAXIMUM_LENGTH = struct.Struct(">BxHBxHL")  # Table 9-16 and, within it, D.1-1
_USER_INFORMATION, _MAXIMUM_LENGTH_ITEM = 0x50, 0x51
_VERSION_1 = 1


class InvalidProposal(ValueError):
    """An A-ASSOCIATE-RQ that breaks PS3.8."""


@dataclass(frozen=True)
class Context:
    """An accepted presentation context."""

    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True)
class Proposal:
    """What the variable items of an A-ASSOCIATE-RQ say.

    Attributes
    ----------
    application_context : str or None
    abstract_syntaxes : frozenset of str
        Of all presentation contexts.
    max_pdu : int
        Longest P-DATA-TF that the peer takes; 0 for any.
    """

    application_context: str | None
    abstract_syntaxes: frozenset[str]
    max_pdu: int


@dataclass(frozen=True)
class Agreement:
    """What the node answers to a proposal, whoever makes it.

    Attributes
    ----------
    contexts : mapping
        Accepted contexts by their id.
    items : bytes
        Application context and presentation contexts of the A-ASSOCIATE-AC.
    user_data : bytes
        What its user information says after the longest P-DATA-TF.
    """

    contexts: Mapping[int, Context]
    items: bytes
    user_data: bytes


@dataclass(frozen=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2).

    Attributes
    ----------
    protocol_version : int
    called_ae_title, calling_ae_title : str
        Without spaces around them.
    proposal : Proposal
    echoed : bytes
        Those of its fixed fields that the answer repeats (PS3.8 Table 9-17, bytes 11 to 74).
    digest : bytes
        Of its variable items.
    size : int
        Bytes of it all after its length.
    decoded : A_ASSOCIATE or None
        What is negotiated about; None where that was done before.
    agreement : Agreement or None
        What came of it then.
    """

    protocol_version: int
    called_ae_title: str
    calling_ae_title: str
    proposal: Proposal
    echoed: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    size: int
    decoded: A_ASSOCIATE | None = field(default=None, repr=False)
    agreement: Agreement | None = field(default=None, repr=False)


class Negotiator:
    """Reads proposals and answers them. Safe to use from several threads.

    Parameters
    ----------
    supported : sequence of PresentationContext
        What the node accepts.
    """

    def __init__(self, supported: Sequence[PresentationContext]) -> None:
        self._supported = list(supported)
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[Proposal, Agreement]] = OrderedDict()

    def read(self, body: bytes) -> AssociateRequest:
        """Read an A-ASSOCIATE-RQ.

        Parameters
        ----------
        body : bytes
            What follows its length, at least `FIXED_FIELDS`.

        Raises
        ------
        InvalidProposal
        """
        # A digest instead of the bytes: a user's password may be among them (PS3.7 D.3.3.7).
        digest = hashlib.sha256(body[FIXED_FIELDS:]).digest()
        with self._lock:
            known = self._kept.get(digest)
            if known is not None:
                self._kept.move_to_end(digest)
        read = body if known is None else body[:FIXED_FIELDS]
        try:
            pdu = A_ASSOCIATE_RQ()
            pdu.decode(_PDU_HEAD.pack(1, len(read)) + read)
            decoded = pdu.to_primitive()
            proposal, agreement = known or (_proposal_of(decoded), None)
        except InvalidProposal:
            raise
        except Exception as error:  # whatever a decoder raises on bytes from the network
            raise InvalidProposal(
                f"A-ASSOCIATE-RQ not understood ({type(error).__name__})"
            ) from error
        return AssociateRequest(
            protocol_version=pdu.protocol_version,
            called_ae_title=decoded.called_ae_title.strip(),
            calling_ae_title=decoded.calling_ae_title.strip(),
            proposal=proposal,
            echoed=body[4:FIXED_FIELDS],
            digest=digest,
            decoded=decoded if agreement is None else None,
            agreement=agreement,
            size=len(body),
        )

    def agree(self, request: AssociateRequest) -> Agreement:
        """Say what the node agrees to of what is proposed.

        Only now is it kept: who is turned away takes the place of nobody's proposal.
        """
        if request.agreement is not None:
            return request.agreement
        agreement = _negotiate(request.decoded, self._supported)
        contexts = request.decoded.presentation_context_definition_list
        if request.size <= _LONGEST_KEPT and len(contexts) <= _MOST_CONTEXTS:
            with self._lock:
                self._kept[request.digest] = request.proposal, agreement
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
        return agreement


def accept_pdu(request: AssociateRequest, agreement: Agreement, max_pdu: int) -> bytes:
    """Encode the A-ASSOCIATE-AC (PS3.8 9.3.3).

    Parameters
    ----------
    request : AssociateRequest
    agreement : Agreement
    max_pdu : int
        Longest P-DATA-TF that the peer may send.
    """
    items = (
        agreement.items
        + _MAXIMUM_LENGTH.pack(
            _USER_INFORMATION, 8 + len(agreement.user_data), _MAXIMUM_LENGTH_ITEM, 4, max_pdu
        )
        + agreement.user_data
    )
    return _ACCEPTED_HEAD.pack(2, FIXED_FIELDS + len(items), _VERSION_1, request.echoed) + items


def _proposal_of(decoded: A_ASSOCIATE) -> Proposal:
    """Each proposed context has one abstract syntax and a transfer syntax (PS3.8 9.3.2.2)."""
    for context in decoded.presentation_context_definition_list:
        if not context.abstract_syntax or not context.transfer_syntax:
            raise InvalidProposal(
                f"presentation context {context.context_id} without abstract or transfer syntax"
            )
    return Proposal(
        decoded.application_context_name,
        frozenset(str(c.abstract_syntax) for c in decoded.presentation_context_definition_list),
        decoded.maximum_length_received or 0,
    )


def _negotiate(decoded: A_ASSOCIATE, supported: list[PresentationContext]) -> Agreement:
    results, roles = negotiate_as_acceptor(
        decoded.presentation_context_definition_list, supported, _roles(decoded)
    )
    answer = A_ASSOCIATE()
    answer.application_context_name = APPLICATION_CONTEXT
    answer.calling_ae_title = decoded.calling_ae_title
    answer.called_ae_title = decoded.called_ae_title
    answer.result = 0
    answer.result_source = 1
    answer.presentation_context_definition_results_list = results
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    # The longest P-DATA-TF stands first and is each peer's own: `accept_pdu` puts it there.
    answer.user_information = [MaximumLengthNotification(), implementation, version, *roles]
    *items, user_information = A_ASSOCIATE_AC(answer).variable_items
    return Agreement(
        {
            context.context_id: Context(
                str(context.abstract_syntax), str(context.transfer_syntax[0])
            )
            for context in results
            if context.result == 0
        },
        b"".join(item.encode() for item in items),
        b"".join(item.encode() for item in user_information.user_data[1:]),
    )


def _roles(decoded: A_ASSOCIATE) -> dict[str, tuple[bool, bool]]:
    """Roles (SCU, SCP) that the requestor proposes for itself, by SOP class (PS3.7 D.3.3.4)."""
    return {
        item.sop_class_uid: (bool(item.scu_role), bool(item.scp_role))
        for item in decoded.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
        # One that proposes no role at all says nothing: the default roles hold.
        and (item.scu_role or item.scp_role)
    }
