"""What is agreed to, and that what is kept of it is right for each peer."""

from __future__ import annotations

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from dicomnode.commit.information import PUSH_MODEL
from dicomnode.receive import negotiation
from dicomnode.receive.negotiation import Context, InvalidProposal, Negotiator, accept_pdu
from dicomnode.receive.offered import supported_contexts
from dicomnode.receive.sop_classes import VERIFICATION
from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

CT = "1.2.840.10008.5.1.4.1.1.2"
UNKNOWN = "1.2.3.4"
IMPLICIT, EXPLICIT, BIG_ENDIAN = (f"1.2.840.10008.1.2{last}" for last in ("", ".1", ".2"))


@pytest.fixture
def negotiator():
    return Negotiator(supported_contexts(True))


def body(
    *proposed: tuple[str, list[str]],
    calling: str = "PEER",
    called: str = "NODE",
    max_pdu: int = 16384,
    roles: dict[str, tuple[bool, bool]] | None = None,
    password: bytes | None = None,
) -> bytes:
    """What follows the length of an A-ASSOCIATE-RQ."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = calling, called
    contexts = [build_context(uid, syntaxes) for uid, syntaxes in proposed]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    request.presentation_context_definition_list = contexts
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    request.user_information = [maximum, implementation]
    for uid, (scu, scp) in (roles or {}).items():
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid, role.scu_role, role.scp_role = uid, scu, scp
        request.user_information.append(role)
    if password is not None:
        identity = UserIdentityNegotiation()
        identity.user_identity_type = 2
        identity.primary_field, identity.secondary_field = b"reader", password
        request.user_information.append(identity)
    return A_ASSOCIATE_RQ(request).encode()[6:]


def answered(negotiator: Negotiator, content: bytes, max_pdu: int = 131072):
    """The request as read, what was agreed to, and the answer as a peer decodes it."""
    request = negotiator.read(content)
    agreement = negotiator.agree(request)
    encoded = accept_pdu(request, agreement, max_pdu)
    pdu = A_ASSOCIATE_AC()
    pdu.decode(encoded)
    assert pdu.encode() == encoded
    return request, agreement, pdu.to_primitive()


MIXED = ((CT, [EXPLICIT, IMPLICIT]), (VERIFICATION, [IMPLICIT]), (UNKNOWN, [EXPLICIT]))


def test_each_context_is_answered_and_accepted_ones_are_known_by_their_id(negotiator):
    request, agreement, answer = answered(negotiator, body(*MIXED, (CT, [BIG_ENDIAN])))

    assert agreement.contexts == {1: Context(CT, EXPLICIT), 3: Context(VERIFICATION, IMPLICIT)}
    results = answer.presentation_context_definition_results_list
    assert [(r.context_id, r.result) for r in results] == [(1, 0), (3, 0), (5, 3), (7, 4)]
    assert request.proposal.abstract_syntaxes == {CT, VERIFICATION, UNKNOWN}
    assert answer.application_context_name == "1.2.840.10008.3.1.1.1"
    assert answer.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    (version,) = (
        item.implementation_version_name
        for item in answer.user_information
        if isinstance(item, ImplementationVersionNameNotification)
    )
    assert version == IMPLEMENTATION_VERSION_NAME


def test_a_proposal_that_is_known_is_not_negotiated_again_and_answered_the_same(
    negotiator, monkeypatch
):
    roles = {PUSH_MODEL: (True, True)}
    first = answered(negotiator, body(*MIXED, (PUSH_MODEL, [IMPLICIT]), roles=roles))
    monkeypatch.setattr(negotiation, "negotiate_as_acceptor", None)
    content = body(*MIXED, (PUSH_MODEL, [IMPLICIT]), roles=roles, calling="OTHER", called="SOFT")

    request, agreement, answer = answered(negotiator, content, max_pdu=4096)

    assert agreement is first[1]
    # What is each peer's own is not the first one's.
    assert (request.calling_ae_title, request.called_ae_title) == ("OTHER", "SOFT")
    assert (answer.calling_ae_title, answer.called_ae_title) == ("OTHER", "SOFT")
    assert answer.maximum_length_received == 4096
    assert first[2].maximum_length_received == 131072
    (role,) = (
        item
        for item in answer.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    )
    assert (role.sop_class_uid, role.scu_role, role.scp_role) == (PUSH_MODEL, True, True)


@pytest.mark.parametrize(
    "other",
    [
        {"max_pdu": 32768},
        {"roles": {PUSH_MODEL: (False, True)}},
        {"password": b"secret"},
    ],
)
def test_what_differs_in_user_information_is_another_proposal(negotiator, other):
    proposed = ((PUSH_MODEL, [IMPLICIT]),)
    roles = {"roles": {PUSH_MODEL: (True, False)}}
    answered(negotiator, body(*proposed, **roles))

    request = negotiator.read(body(*proposed, **roles | other))

    assert request.agreement is None
    assert request.proposal.max_pdu == other.get("max_pdu", 16384)


def test_no_password_is_kept(negotiator):
    answered(negotiator, body(*MIXED, password=b"xyzzy-secret"))

    assert negotiator._kept
    assert b"xyzzy" not in repr(negotiator._kept).encode()


def test_the_fields_that_an_answer_repeats_are_repeated_to_the_byte(negotiator):
    content = bytearray(body(*MIXED))
    content[4:20] = b"  NODE".ljust(16)
    content[36:68] = bytes(range(32))

    request = negotiator.read(bytes(content))
    pdu = accept_pdu(request, negotiator.agree(request), 16384)

    assert request.called_ae_title == "NODE"
    assert pdu[10:74] == content[4:68]


def test_a_known_proposal_excuses_no_title(negotiator):
    content = bytearray(body(*MIXED))
    answered(negotiator, bytes(content))
    content[20:36] = b" " * 16

    with pytest.raises(InvalidProposal, match="not understood"):
        negotiator.read(bytes(content))


def test_who_is_turned_away_leaves_nothing(negotiator):
    negotiator.read(body(*MIXED))

    assert negotiator.read(body(*MIXED)).agreement is None


def test_what_cannot_be_understood_is_not_kept(negotiator):
    content = body(*MIXED)[:-3]
    for _ in range(2):
        with pytest.raises(InvalidProposal):
            negotiator.read(content)
    assert not negotiator._kept


def test_what_is_kept_is_bounded_and_what_is_in_use_stays(negotiator):
    used = body((VERIFICATION, [IMPLICIT]))
    answered(negotiator, used)
    for number in range(negotiation._MOST_KEPT + 5):
        answered(negotiator, body((CT, [EXPLICIT]), max_pdu=4096 + number))
        assert negotiator.read(used).agreement is not None
    assert len(negotiator._kept) == negotiation._MOST_KEPT

    long = body(*((CT, [f"1.2.{n}.{m}" for m in range(40)]) for n in range(128)))
    assert len(long) > negotiation._LONGEST_KEPT
    answered(negotiator, long)
    assert negotiator.read(long).agreement is None
