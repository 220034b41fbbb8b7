"""The fault table: whatever a peer sends, it gets an answer, and the node lives."""

from __future__ import annotations

import errno
import os
import struct
import threading
import time

import pytest
from pydicom.uid import generate_uid

from tests.dicomnode.receive.loopback import (
    COMPREHENSIVE_SR,
    CT,
    EXPLICIT,
    ct,
    element,
    encode,
    send,
    store_request,
)

ABORT, RELEASE_RP = 7, 6


def test_garbage_is_not_understood(node):
    node.start()
    peer = node.associated()
    assert peer.store(b"\x93" * 5000, CT, generate_uid()) == 0xC000
    assert node.files() == []


@pytest.mark.parametrize("data", [b"", b"\0" * 100_000])
def test_nothing_and_zeros_are_not_understood(node, data):
    node.start()
    peer = node.associated()
    assert peer.store(data, CT, generate_uid()) == 0xC000
    # The association goes on.
    assert send(peer, ct()) == 0x0000
    assert len(node.files()) == 1


def test_a_store_without_a_data_set_is_not_understood(node):
    node.start()
    peer = node.associated()
    request = store_request(CT, generate_uid())
    absent = element(0x00000800, b"\x01\x01")
    peer.send_pdv(request.replace(element(0x00000800, b"\0\0"), absent), command=True)
    assert peer.read_status() == 0xC000


@pytest.mark.parametrize("missing", [1, 100, 380, 500])
def test_a_truncated_data_set_is_not_understood(node, missing):
    node.start()
    data_set = ct()
    peer = node.associated()
    status = peer.store(encode(data_set)[:-missing], CT, data_set.SOPInstanceUID)
    assert status in (0xC000, 0xA900)
    assert node.files() == []
    assert node.index.received == {}


def test_short_pixel_data_is_not_understood(node):
    node.start()
    assert send(node.associated(), ct(PixelData=bytes(16 * 12 * 2 - 2))) == 0xC000
    assert node.files() == []


def test_an_image_without_pixel_data_does_not_match_its_class(node):
    node.start()
    assert send(node.associated(), ct(PixelData=None)) == 0xA900
    assert node.files() == []


def test_another_sop_class_than_announced_does_not_match(node):
    node.start()
    data_set = ct()
    peer = node.associated(COMPREHENSIVE_SR)
    assert peer.store(encode(data_set), COMPREHENSIVE_SR, data_set.SOPInstanceUID) == 0xA900
    assert b"SOP Class" in peer.response[0x0902]


def test_another_sop_instance_than_announced_does_not_match(node):
    node.start()
    assert node.associated().store(encode(ct()), CT, generate_uid()) == 0xA900


def test_another_class_than_the_context_does_not_match(node):
    node.start()
    data_set = ct()
    peer = node.associated(COMPREHENSIVE_SR)
    assert send(peer, data_set) == 0xA900


def test_an_unknown_sop_class_is_not_supported(node):
    node.start()
    peer = node.associated()
    assert peer.store(encode(ct()), "1.2.840.10008.5.1.4.1.1.4", generate_uid()) == 0x0122


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("value", [None, "", "1.02.3", "1..2", "../../etc", "1." * 40 + "1"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.filterwarnings("ignore:The value length")
def test_identifiers_that_are_no_uids_do_not_match(node, keyword, value):
    node.start()
    data_set = ct()
    announced = data_set.SOPInstanceUID
    if value is None:
        delattr(data_set, keyword)
    else:
        setattr(data_set, keyword, value)
    assert node.associated().store(encode(data_set), CT, announced) == 0xA900
    assert node.files() == []


def test_an_index_that_fails_is_out_of_resources_and_a_repeat_succeeds(node):
    node.start()
    data_set = ct()
    node.index.fails = RuntimeError("the database said: Nobody^Known")
    peer = node.associated()
    assert send(peer, data_set) == 0xA700
    assert b"Nobody" not in peer.response[0x0902]
    assert node.stored == []
    node.index.fails = None
    assert send(peer, data_set) == 0x0000
    assert len(node.files()) == 1
    assert list(node.index.received) == [data_set.SOPInstanceUID]


def test_a_follow_up_that_fails_does_not_undo_success(node):
    node.start()
    node.scp._on_stored = _raise
    peer = node.associated()
    assert send(peer, ct()) == 0x0000
    assert send(peer, ct()) == 0x0000


def _raise(_received):
    raise RuntimeError("the follow-up fails")


def test_a_fault_inside_ends_one_association_only(node, monkeypatch):
    node.start()
    peer, other = node.associated(), node.associated()

    def broken(*_arguments, **_named):
        raise RuntimeError("a fault of the node's own")

    with monkeypatch.context() as patch:
        patch.setattr("dicomnode.receive.intake.read_data_set", broken)
        assert send(peer, ct()) == -1
    assert send(other, ct()) == 0x0000
    assert len(node.files()) == 1


def test_a_disk_below_its_reserve_is_out_of_resources(node):
    node.start()
    node.free_bytes = 999
    peer = node.associated()
    assert send(peer, ct()) == 0xA700
    assert node.files() == []
    node.free_bytes = 2**40
    assert send(peer, ct()) == 0x0000


def test_a_disk_that_fills_up_on_the_way_is_out_of_resources(node, monkeypatch):
    node.start()
    peer = node.associated()
    write = os.write

    def full(descriptor, data):
        if len(data) > 50_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("dicomnode.store.part_file.os.write", full)
        assert send(peer, ct(rows=300, columns=300)) == 0xA700
    assert node.files() == []
    assert send(peer, ct()) == 0x0000


def test_an_fsync_that_fails_is_out_of_resources(node, monkeypatch):
    node.start()
    peer = node.associated()

    def fails(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("dicomnode.store.part_file.os.fsync", fails)
        assert send(peer, ct()) == 0xA700
    assert node.files() == []
    assert node.index.received == {}


@pytest.mark.parametrize("polite", [True, False], ids=["A-ABORT", "closed"])
def test_an_abort_midway_leaves_no_file(node, polite):
    node.start()
    peer = node.associated()
    peer.send_pdv(store_request(CT, generate_uid()), command=True)
    peer.send_pdv(encode(ct())[:300], command=False, last=False)
    node.wait_for(lambda: len(node.files()) == 1)
    if polite:
        peer.socket.sendall(b"\x07\0\0\0\0\x04\0\0\0\0")
    peer.close()
    node.wait_for(lambda: node.files() == [] and node.scp.associations == 0)


def test_a_release_midway_leaves_no_file(node):
    node.start()
    peer = node.associated()
    peer.send_pdv(store_request(CT, generate_uid()), command=True)
    peer.send_pdv(encode(ct())[:300], command=False, last=False)
    peer.socket.sendall(b"\x05\0\0\0\0\x04\0\0\0\0")
    assert peer.read_pdu()[0] == RELEASE_RP
    assert node.files() == []


def test_a_stall_inside_a_pdu_is_aborted(node):
    node.start(network_timeout_s=0.3)
    peer = node.associated()
    peer.socket.sendall(struct.pack(">BxL", 4, 1000) + b"\0" * 10)
    assert peer.read_pdu()[0] == ABORT
    assert peer.read_pdu()[0] == 0
    node.wait_for(lambda: node.scp.associations == 0)


def test_peers_that_stall_leave_no_thread_and_no_descriptor(node):
    node.start(network_timeout_s=0.3, max_associations=30)

    def served() -> int:
        return sum(thread.name == "dicom-association" for thread in threading.enumerate())

    before = len(os.listdir("/proc/self/fd"))
    stalled = [node.associated() for _ in range(20)]
    assert served() > 0
    for peer in stalled:
        peer.socket.sendall(struct.pack(">BxL", 4, 1000) + b"\0" * 10)
    node.wait_for(lambda: served() == 0)
    # The peers' own ends are in this process, too, and still open.
    assert len(os.listdir("/proc/self/fd")) <= before + len(stalled)
    assert not list(node.store.incoming.iterdir())


def _send_for_ever(send) -> int:
    """Call `send` until the node has closed the connection; return how often it took."""
    for count in range(2**34 // 60_000):
        try:
            send()
        except OSError:
            return count
    pytest.fail("the node took 16 GB")


def test_a_pdu_that_drips_is_aborted(node):
    node.start(network_timeout_s=0.3)
    peer = node.associated()
    peer.socket.sendall(struct.pack(">BxL", 4, 100_000))

    def drip():
        peer.socket.sendall(b"\0")
        time.sleep(0.02)

    assert _send_for_ever(drip) < 500
    node.wait_for(lambda: node.scp.associations == 0)


def test_silence_is_aborted(node):
    node.start(network_timeout_s=0.3)
    peer = node.associated()
    assert peer.read_pdu()[0] == ABORT


@pytest.mark.parametrize("length", [131073, 2**32 - 1])
def test_a_pdu_longer_than_agreed_is_aborted_at_once(node, length):
    node.start(network_timeout_s=60)
    peer = node.associated()
    peer.socket.sendall(struct.pack(">BxL", 4, length))
    assert peer.read_pdu() == (ABORT, b"\0\0\x02\x06")


def test_an_association_request_of_four_gigabytes_is_aborted_at_once(node):
    node.start(network_timeout_s=60)
    peer = node.peer()
    peer.socket.sendall(struct.pack(">BxL", 1, 2**32 - 1))
    assert peer.read_pdu()[0] == ABORT


@pytest.mark.parametrize(
    "pdu",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        struct.pack(">BxL", 1, 68) + bytes(68),
        struct.pack(">BxL", 1, 200) + b"\x10" * 200,
        struct.pack(">BxL", 4, 10) + bytes(10),
    ],
    ids=["http", "zeros", "noise", "data before an association"],
)
def test_what_is_no_association_request_is_aborted(node, pdu):
    node.start()
    peer = node.peer()
    peer.socket.sendall(pdu)
    assert peer.read_pdu()[0] == ABORT


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        (struct.pack(">BxL", 9, 4) + bytes(4), 1),
        (struct.pack(">BxL", 2, 4) + bytes(4), 2),
        (struct.pack(">BxLLBB", 4, 6, 200, 1, 3), 6),
        (struct.pack(">BxLLBB", 4, 6, 0, 1, 3), 6),
        (struct.pack(">BxLLBB", 4, 6, 2, 99, 3), 6),
        (struct.pack(">BxLLBB", 4, 6, 2, 1, 2), 6),
        (struct.pack(">BxLLBB", 4, 6, 2, 1, 3), 6),
        (struct.pack(">BxLLBB", 4, 14, 10, 1, 3) + b"\0\0\0\0\xff\xff\xff\xff", 6),
    ],
    ids=[
        "unknown PDU",
        "answer PDU",
        "long PDV",
        "short PDV",
        "unknown context",
        "data before a command",
        "empty command",
        "command cut off",
    ],
)
def test_a_broken_protocol_is_aborted(node, pdu, reason):
    node.start()
    peer = node.associated()
    peer.socket.sendall(pdu)
    assert peer.read_pdu() == (ABORT, bytes([0, 0, 2, reason]))


def test_an_endless_command_set_is_aborted(node):
    node.start()
    peer = node.associated()
    assert _send_for_ever(lambda: peer.send_pdv(bytes(9000), command=True, last=False)) < 10_000


def test_an_endless_data_set_is_cut_off_and_leaves_nothing(node):
    node.start(max_object_bytes=500_000)
    peer = node.associated()
    peer.send_pdv(store_request(CT, generate_uid()), command=True)
    largest = 0

    def send():
        nonlocal largest
        peer.send_pdv(bytes(60_000), command=False, last=False)
        largest = max([largest, *(path.stat().st_size for path in node.files())])

    assert _send_for_ever(send) < 10_000
    assert largest <= 500_000 + 1000
    node.wait_for(lambda: node.files() == [])


@pytest.mark.parametrize("missing", ["abstract", "transfer"])
def test_a_proposed_context_without_a_syntax_breaks_the_protocol(node, caplog, missing):
    node.start()
    peer = node.peer()
    assert peer.associate(syntaxes=(EXPLICIT,)) == 2
    request = bytearray(peer.request)
    item = request.index(b"\x30\0" if missing == "abstract" else b"\x40\0", 74)
    length = int.from_bytes(request[item + 2 : item + 4], "big") + 4
    del request[item : item + length]
    context = request.index(b"\x20\0", 74)
    left = int.from_bytes(request[context + 2 : context + 4], "big") - length
    request[context + 2 : context + 4] = left.to_bytes(2, "big")
    request[2:6] = (len(request) - 6).to_bytes(4, "big")
    other = node.peer()
    other.socket.sendall(request)
    kind, body = other.read_pdu()
    assert (kind, body[3]) == (ABORT, 6)
    node.wait_for(lambda: "association.aborted" in caplog.text)
    assert "association.failed" not in caplog.text
