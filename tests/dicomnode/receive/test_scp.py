"""Promises of the receiving room, each over a real socket."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import threading
import time

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, generate_uid
from pynetdicom import AE

from dicomnode.receive.scp import ReceiverSettings
from tests.dicomnode.receive.loopback import (
    COMPREHENSIVE_SR,
    CT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    ct,
    element,
    encode,
    store_request,
)

ABORT, RELEASE_RP = 7, 6


def _send(peer, data_set, transfer_syntax=EXPLICIT):
    return peer.store(
        encode(data_set, transfer_syntax), data_set.SOPClassUID, data_set.SOPInstanceUID
    )


# -- what must work


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT, EXPLICIT])
def test_a_stored_instance_is_on_disk_as_sent_and_indexed(node, transfer_syntax):
    data_set = ct()
    node.start()
    peer = node.associated(syntaxes=(transfer_syntax,))

    assert _send(peer, data_set, transfer_syntax) == 0x0000

    received = node.index.received[data_set.SOPInstanceUID]
    expected = node.store.instances.joinpath(
        data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID + ".dcm"
    )
    assert received.path == expected
    assert node.files() == [expected]
    assert received.size == expected.stat().st_size
    assert received.path.read_bytes().endswith(encode(data_set, transfer_syntax))
    kept = pydicom.dcmread(expected)
    assert kept == data_set
    assert kept.file_meta.TransferSyntaxUID == transfer_syntax
    assert kept.file_meta.MediaStorageSOPInstanceUID == data_set.SOPInstanceUID
    assert (received.calling_ae, received.called_ae) == ("PEER", "NODE")
    node.wait_for(lambda: node.stored == [received])


def test_pynetdicom_as_sender_gets_success_for_each_kind_of_message(node):
    node.start()
    entity = AE("PEER")
    entity.add_requested_context(CT)
    entity.add_requested_context(VERIFICATION)
    association = entity.associate("127.0.0.1", node.scp.port, ae_title="NODE")
    assert association.is_established
    data_sets = [ct() for _ in range(3)]
    for data_set in data_sets:
        data_set.file_meta = pydicom.dataset.FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = IMPLICIT
        assert association.send_c_store(data_set).Status == 0x0000
    assert association.send_c_echo().Status == 0x0000
    association.release()
    assert association.is_released
    assert set(node.index.received) == {data_set.SOPInstanceUID for data_set in data_sets}
    node.wait_for(lambda: node.scp.associations == 0)


def test_the_preferred_transfer_syntax_wins_and_compressed_is_taken(node):
    node.start()
    peer = node.associated(CT, COMPREHENSIVE_SR, syntaxes=(IMPLICIT, EXPLICIT))
    assert EXPLICIT.encode() in peer.answer
    compressed = node.associated(CT, COMPREHENSIVE_SR, syntaxes=(str(JPEGLSLossless),))
    results = [compressed.answer[at + 6] for at in _context_items(compressed.answer)]
    # JPEG-LS for the image, "transfer syntaxes not supported" for the document (PS3.8 9.3.3.2)
    assert results == [0, 4]


def _context_items(answer):
    at = 68
    while at < len(answer):
        length = struct.unpack_from(">H", answer, at + 2)[0]
        if answer[at] == 0x21:
            yield at
        at += 4 + length


def test_data_sets_in_tiny_fragments_arrive_whole(node):
    node.start()
    data_set = ct(rows=4, columns=4)
    peer = node.associated()
    request = store_request(CT, data_set.SOPInstanceUID)
    peer.send_pdv(request, command=True, size=10)
    peer.send_pdv(encode(data_set), command=False, size=7)
    assert peer.read_status() == 0
    assert pydicom.dcmread(node.files()[0]) == data_set


def test_the_same_instance_again_is_kept_once(node):
    node.start()
    data_set = ct()
    assert _send(node.associated(), data_set) == 0
    assert _send(node.associated(), data_set) == 0
    assert len(node.files()) == 1
    assert len(node.index.received) == 1
    # The index hears of both: who sends a mark again wants it looked at again.
    assert node.index.added == 2


def test_another_version_of_an_instance_replaces_nothing(node):
    node.start()
    first = ct()
    second = ct(
        SOPInstanceUID=first.SOPInstanceUID,
        StudyInstanceUID=first.StudyInstanceUID,
        SeriesInstanceUID=first.SeriesInstanceUID,
        SeriesDescription="Another",
    )
    peer = node.associated()
    assert [_send(peer, first), _send(peer, second), _send(peer, first)] == [0, 0, 0]
    names = sorted(path.name for path in node.files())
    assert names == [f"{first.SOPInstanceUID}.2.dcm", f"{first.SOPInstanceUID}.dcm"]


# -- the fault table: what is sent, and what must be answered


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
    assert _send(peer, ct()) == 0x0000
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
    assert _send(node.associated(), ct(PixelData=bytes(16 * 12 * 2 - 2))) == 0xC000
    assert node.files() == []


def test_an_image_without_pixel_data_does_not_match_its_class(node):
    node.start()
    assert _send(node.associated(), ct(PixelData=None)) == 0xA900
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
    assert _send(peer, data_set) == 0xA900


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
    assert _send(peer, data_set) == 0xA700
    assert b"Nobody" not in peer.response[0x0902]
    assert node.stored == []
    node.index.fails = None
    assert _send(peer, data_set) == 0x0000
    assert len(node.files()) == 1
    assert list(node.index.received) == [data_set.SOPInstanceUID]


def test_a_follow_up_that_fails_does_not_undo_success(node):
    node.start()
    node.scp._on_stored = _raise
    peer = node.associated()
    assert _send(peer, ct()) == 0x0000
    assert _send(peer, ct()) == 0x0000


def _raise(_received):
    raise RuntimeError("the follow-up fails")


def test_a_fault_inside_ends_one_association_only(node, monkeypatch):
    node.start()
    peer, other = node.associated(), node.associated()

    def broken(*_arguments, **_named):
        raise RuntimeError("a fault of the node's own")

    with monkeypatch.context() as patch:
        patch.setattr("dicomnode.receive.conversation.read_data_set", broken)
        assert _send(peer, ct()) == -1
    assert _send(other, ct()) == 0x0000
    assert len(node.files()) == 1


def test_a_disk_below_its_reserve_is_out_of_resources(node):
    node.start()
    node.free_bytes = 999
    peer = node.associated()
    assert _send(peer, ct()) == 0xA700
    assert node.files() == []
    node.free_bytes = 2**40
    assert _send(peer, ct()) == 0x0000


def test_a_disk_that_fills_up_on_the_way_is_out_of_resources(node, monkeypatch):
    node.start()
    peer = node.associated()
    write = os.write

    def full(descriptor, data):
        if len(data) > 50_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("dicomnode.store.files.os.write", full)
        assert _send(peer, ct(rows=300, columns=300)) == 0xA700
    assert node.files() == []
    assert _send(peer, ct()) == 0x0000


def test_an_fsync_that_fails_is_out_of_resources(node, monkeypatch):
    node.start()
    peer = node.associated()

    def fails(_descriptor):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("dicomnode.store.files.os.fsync", fails)
        assert _send(peer, ct()) == 0xA700
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


# -- who gets in


def test_bare_connections_lock_nobody_out(node):
    node.start(max_associations=2, network_timeout_s=60)
    silent = [socket.create_connection(("127.0.0.1", node.scp.port)) for _ in range(200)]
    assert _send(node.associated(), ct()) == 0x0000
    for connection in silent:
        connection.close()


def test_associations_beyond_the_limit_are_rejected_until_one_ends(node):
    node.start(max_associations=2)
    first, _second = node.associated(), node.associated()
    third = node.peer()
    assert third.associate() == 3
    assert third.answer == b"\0\x02\x03\x02"
    first.close()
    node.wait_for(lambda: node.scp.associations == 1)
    assert _send(node.associated(), ct()) == 0x0000


def test_a_released_association_counts_no_longer_though_its_peer_lingers(node):
    node.start(max_associations=1)
    peer = node.associated()
    peer.socket.sendall(b"\x05\0\0\0\0\x04\0\0\0\0")
    assert peer.read_pdu()[0] == RELEASE_RP
    node.associated()


@pytest.mark.parametrize(
    ("titles", "answer"),
    [
        ({"calling": "CT1", "called": "NODE"}, None),
        ({"calling": "STRANGER", "called": "NODE"}, b"\0\x01\x01\x03"),
        ({"calling": "CT1", "called": "OTHER"}, b"\0\x01\x01\x07"),
    ],
)
def test_ae_titles_are_checked(node, titles, answer):
    node.start(accepted_calling_aets=("CT1", "CT2"))
    peer = node.peer()
    assert peer.associate(**titles) == (2 if answer is None else 3)
    assert answer is None or peer.answer == answer


def test_a_called_title_need_not_match_where_it_is_not_required(node):
    node.start(require_called_aet=False)
    assert node.peer().associate(called="ANYTHING") == 2


# -- stopping


def test_stop_lets_a_running_store_end(node):
    node.start()
    peer, idle = node.associated(), node.associated()
    data_set = ct()
    data = encode(data_set)
    peer.send_pdv(store_request(CT, data_set.SOPInstanceUID), command=True)
    peer.send_pdv(data[:200], command=False, last=False)
    node.wait_for(lambda: node.files() != [])
    stopping = threading.Thread(target=node.scp.stop, kwargs={"grace_s": 20})
    stopping.start()
    assert idle.read_pdu()[0] == ABORT
    peer.send_pdv(data[200:], command=False)
    assert peer.read_status() == 0x0000
    assert peer.read_pdu()[0] == ABORT
    stopping.join(10)
    assert not stopping.is_alive()
    assert list(node.index.received) == [data_set.SOPInstanceUID]


def test_stop_ends_a_store_that_outlasts_its_grace(node):
    node.start(network_timeout_s=60)
    peer = node.associated()
    peer.send_pdv(store_request(CT, generate_uid()), command=True)
    node.wait_for(lambda: node.files() != [])
    node.scp.stop(grace_s=0.1)
    assert node.files() == []
    assert node.scp.associations == 0


def test_a_stopped_receiver_can_start_again(node):
    node.start()
    node.scp.stop()
    node.scp.start()
    assert _send(node.associated(), ct()) == 0x0000


def test_what_was_stored_is_followed_up_though_its_sender_is_gone(node, monkeypatch):
    node.start()
    peer = node.associated()
    add = node.index.add

    def add_and_lose_the_sender(received) -> None:
        add(received)
        # A reset: the answer cannot be sent any more.
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.socket.close()
        time.sleep(0.1)

    monkeypatch.setattr(node.index, "add", add_and_lose_the_sender)
    data_set = ct()
    peer.send_pdv(store_request(CT, data_set.SOPInstanceUID), command=True)
    peer.send_pdv(encode(data_set), command=False)
    node.wait_for(lambda: node.stored)
    assert node.stored[0].header.sop_instance_uid == data_set.SOPInstanceUID


def test_nothing_is_logged_of_the_patient(node, caplog):
    caplog.set_level("DEBUG")
    node.start()
    peer = node.associated()
    assert _send(peer, ct()) == 0
    assert _send(peer, ct(PixelData=b"\0\0")) == 0xC000
    assert _send(peer, ct(StudyInstanceUID=None)) == 0xA900
    assert "instance.stored" in caplog.text
    assert "Nobody" not in caplog.text
    assert "Thorax" not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": -1},
        {"ae_title": ""},
        {"ae_title": "A" * 17},
        {"max_associations": 0},
        {"max_pdu": 100},
        {"network_timeout_s": 0},
        {"max_object_bytes": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        ReceiverSettings(**wrong)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_association_requests_with_flipped_bytes_are_answered_and_hurt_nobody(node):
    node.start()
    good = node.associated(CT, VERIFICATION, syntaxes=(IMPLICIT, EXPLICIT)).request
    noise = random.Random(7)
    for _ in range(150):
        pdu = bytearray(good)
        for _ in range(noise.randint(1, 4)):
            pdu[noise.randrange(6, len(pdu))] = noise.randrange(256)
        peer = node.peer()
        peer.socket.sendall(pdu)
        assert peer.read_pdu()[0] in (2, 3, ABORT)
        peer.close()
    assert _send(node.associated(), ct()) == 0x0000
