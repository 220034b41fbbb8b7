"""Promises of the receiving room, each over a real socket."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless, generate_uid
from pynetdicom import AE

from dicomnode.receive.settings import ReceiverSettings
from tests.dicomnode.receive.loopback import (
    COMPREHENSIVE_SR,
    CT,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    ct,
    encode,
    send,
    store_request,
)

ABORT, RELEASE_RP = 7, 6


# -- what must work


@pytest.mark.parametrize("transfer_syntax", [IMPLICIT, EXPLICIT])
def test_a_stored_instance_is_on_disk_as_sent_and_indexed(node, transfer_syntax):
    data_set = ct()
    node.start()
    peer = node.associated(syntaxes=(transfer_syntax,))

    assert send(peer, data_set, transfer_syntax) == 0x0000

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
    assert send(node.associated(), data_set) == 0
    assert send(node.associated(), data_set) == 0
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
    assert [send(peer, first), send(peer, second), send(peer, first)] == [0, 0, 0]
    names = sorted(path.name for path in node.files())
    assert names == [f"{first.SOPInstanceUID}.2.dcm", f"{first.SOPInstanceUID}.dcm"]


# -- who gets in


def test_bare_connections_lock_nobody_out(node):
    node.start(max_associations=2, network_timeout_s=60)
    silent = [socket.create_connection(("127.0.0.1", node.scp.port)) for _ in range(200)]
    assert send(node.associated(), ct()) == 0x0000
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
    assert send(node.associated(), ct()) == 0x0000


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
    assert send(node.associated(), ct()) == 0x0000


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
    assert send(peer, ct()) == 0
    assert send(peer, ct(PixelData=b"\0\0")) == 0xC000
    assert send(peer, ct(StudyInstanceUID=None)) == 0xA900
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
    node.wait_for(lambda: node.scp.associations <= 1)  # or there may be no room for one more
    assert send(node.associated(), ct()) == 0x0000
