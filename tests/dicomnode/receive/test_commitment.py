"""Storage commitment on an association costs its sender an answer, never the node its life."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomnode.commit.information import PUSH_MODEL, PUSH_MODEL_INSTANCE, read_request
from dicomnode.receive.command_sets import (
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    InvalidCommandSet,
    Request,
    Response,
    decode,
    encode_event_report,
    encode_response,
)
from dicomnode.receive.commitment import Information, ReportHere
from dicomnode.receive.intake import Refused
from dicomnode.receive.scp import StorageSCP
from tests.dicomnode.receive.loopback import CT, EXPLICIT, IMPLICIT, ct, element, encode, send


class Taken:
    """Writes down what it is given, and reports at once."""

    def __init__(self) -> None:
        self.requests: list[tuple] = []
        self.reports: list[tuple] = []
        self.answers: list[tuple] = []

    def requested(self, calling_ae, called_ae, action_type, information):
        self.requests.append((calling_ae, called_ae, action_type, information))
        return ReportHere(7, 1, {syntax: encode(information, syntax) for syntax in _BOTH})

    def reported(self, calling_ae, event_type, information):
        self.reports.append((calling_ae, event_type, information))

    def answered(self, report_id, status):
        self.answers.append((report_id, status))


_BOTH = (IMPLICIT, EXPLICIT)


@pytest.fixture
def taken(node):
    taken = Taken()
    node.scp = StorageSCP(node.settings, node.store, node.index, node.stored.append, taken)
    node.scp.start()
    return taken


def information() -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = "1.2.3"
    item = Dataset()
    item.ReferencedSOPClassUID = CT
    item.ReferencedSOPInstanceUID = "1.2.4"
    dataset.ReferencedSOPSequence = [item]
    return dataset


def action(sop_class: str = PUSH_MODEL, instance: str = PUSH_MODEL_INSTANCE) -> bytes:
    """Encode the command set of an N-ACTION-RQ."""

    def uid(text: str) -> bytes:
        return text.encode() + b"\0" * (len(text) % 2)

    body = (
        element(0x00000003, uid(sop_class))
        + element(0x00000100, struct.pack("<H", N_ACTION_RQ))
        + element(0x00000110, b"\x05\0")
        + element(0x00000800, b"\1\0")
        + element(0x00001001, uid(instance))
        + element(0x00001008, b"\1\0")
    )
    return element(0, struct.pack("<L", len(body))) + body


def ask(peer, data: bytes, command: bytes | None = None, context: int = 1) -> int:
    peer.send_pdv(command or action(), command=True, context=context)
    peer.send_pdv(data, command=False, context=context)
    return peer.read_status()


@pytest.mark.parametrize("syntax", _BOTH)
def test_a_request_is_answered_and_then_reported_on(node, taken, syntax):
    peer = node.associated(PUSH_MODEL, syntaxes=(syntax,))
    assert ask(peer, encode(information(), syntax)) == 0x0000
    assert peer.response[0x0120] == b"\x05\0"
    ((calling, called, action_type, came),) = taken.requests
    assert (calling, called, action_type) == ("PEER", "NODE", 1)
    assert read_request(came) == read_request(information())
    command = decode(peer.read_pdu()[1][6:])
    assert (command.command, command.type_id) == (N_EVENT_REPORT_RQ, 1)
    assert peer.read_pdu()[1][6:] == encode(information(), syntax)
    peer.send_pdv(encode_response(command, 0x0000), command=True)
    node.wait_for(lambda: taken.answers)
    assert taken.answers == [(7, 0x0000)]
    # And the association goes on.
    assert ask(peer, encode(information(), syntax)) == 0x0000


def test_a_report_is_taken(node, taken):
    peer = node.associated(PUSH_MODEL)
    command = encode_event_report(PUSH_MODEL, PUSH_MODEL_INSTANCE, 2, 9)
    assert ask(peer, encode(information()), command) == 0x0000
    ((calling, event_type, _),) = taken.reports
    assert (calling, event_type) == ("PEER", 2)


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        (action(sop_class=CT), encode(information()), 0x0119),
        (action(instance="1.2.3"), encode(information()), 0x0112),
        (action(), b"\1\2\3", 0x0115),
        (action(), b"", 0x0000),  # who takes it judges an empty data set
    ],
)
def test_what_is_no_request_is_refused(node, taken, command, data, status):
    peer = node.associated(PUSH_MODEL)
    assert ask(peer, data, command) == status


def test_on_another_context_it_is_refused_and_storing_goes_on(node, taken):
    peer = node.associated(CT, PUSH_MODEL)
    assert ask(peer, encode(information()), context=1) == 0x0211
    assert taken.requests == []
    assert send(peer, ct()) == 0x0000


def test_a_data_set_without_end_is_refused(node, taken):
    peer = node.associated(PUSH_MODEL)
    assert ask(peer, bytes(17 * 2**20)) == 0x0115
    assert ask(peer, encode(information())) == 0x0000


def test_an_answer_to_nothing_ends_the_association(node, taken):
    peer = node.associated(PUSH_MODEL)
    request = Request(N_EVENT_REPORT_RQ, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, True, 1)
    peer.send_pdv(encode_response(request, 0), command=True)
    assert peer.read_pdu()[0] == 7
    assert taken.answers == []


def test_a_fault_behind_it_is_the_nodes_and_not_the_peers(node, taken, caplog):
    def fail(*_):
        raise RuntimeError("Secret^Patient")

    taken.requested = fail
    peer = node.associated(PUSH_MODEL)
    assert ask(peer, encode(information())) == 0x0110
    assert "RuntimeError" in caplog.text
    assert "Secret" not in caplog.text


def test_without_commitments_it_is_not_accepted(node):
    node.start()
    assert node.peer().associate(PUSH_MODEL) == 2
    peer = node.associated(CT, PUSH_MODEL)
    assert ask(peer, encode(information()), context=1) == 0x0211


@given(st.binary(max_size=400), st.sampled_from(_BOTH))
def test_whatever_bytes_come_are_a_data_set_or_refused(data, syntax):
    incoming = Information(Request(N_ACTION_RQ, 1, PUSH_MODEL, PUSH_MODEL_INSTANCE, True, 1))
    incoming.write(memoryview(data))
    with contextlib.suppress(Refused):
        assert isinstance(incoming.decoded(syntax), Dataset)


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_a_command_set_or_not(data):
    with contextlib.suppress(InvalidCommandSet):
        assert isinstance(decode(data), Request | Response)
