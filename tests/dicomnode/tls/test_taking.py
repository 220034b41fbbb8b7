"""TLS on associations that the node takes: who gets in, and who does not hold up the others."""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import socket
import ssl
import struct
import subprocess

import pytest

from dicomnode.metrics.counted import COUNTED
from dicomnode.receive.callers import CallerRule, Callers
from tests.dicomnode.receive.loopback import CT, Peer, ct, encode, send, store_request
from tests.interop.peers import need


class SecuredPeer(Peer):
    """A requestor with TLS."""

    def __init__(self, port: int, ca_file, pair=None, **limits: object) -> None:
        super().__init__(port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(ca_file)
        if pair is not None:
            context.load_cert_chain(*pair)
        for name, value in limits.items():
            setattr(context, name, value)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def refusals(kind: str) -> float:
    labels = {"what": "tls", "reason": kind}
    return COUNTED.get_sample_value("dicomnode_refusals_total", labels)


def wait_for_refusal(node, kind: str, before: float) -> None:
    node.wait_for(lambda: refusals(kind) > before)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_objects_come_over_tls_whole(secured, certificates, version, caplog):
    caplog.set_level(logging.INFO)
    node = secured()
    peer = SecuredPeer(
        node.scp.tls_port, certificates.hospital, certificates.peer, maximum_version=version
    )
    assert peer.associate(CT) == 2
    data_set = ct(rows=512, columns=512, PixelData=bytes(range(256)) * 2048)
    assert send(peer, data_set) == 0x0000
    assert send(peer, ct()) == 0x0000
    (stored,) = [path for path in node.files() if data_set.SOPInstanceUID in path.name]
    assert stored.read_bytes().endswith(encode(data_set))
    assert f"tls={peer.socket.version()}" in caplog.text


def test_a_release_ends_tls_as_well(secured, certificates):
    node = secured()
    peer = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    peer.socket.suppress_ragged_eofs = False
    assert peer.associate(CT) == 2
    peer.socket.sendall(struct.pack(">BxLL", 5, 4, 0))
    assert peer.read_pdu()[0] == 6
    # An end without close_notify would be an error here.
    assert peer.socket.recv(1) == b""


def test_who_has_no_certificate_gets_in_only_where_none_is_asked_for(secured, certificates):
    node = secured()
    before = refusals("no-certificate")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecuredPeer(node.scp.tls_port, certificates.hospital)._read(1)
    wait_for_refusal(node, "no-certificate", before)
    assert node.scp.associations == 0


@pytest.mark.parametrize("clients", ["optional", "none"])
def test_a_certificate_that_is_not_required_may_be_missing(secured, certificates, clients):
    node = secured(clients=clients)
    assert SecuredPeer(node.scp.tls_port, certificates.hospital).associate(CT) == 2


@pytest.mark.parametrize("clients", ["required", "optional"])
@pytest.mark.parametrize("which", ["strangers_peer", "expired", "for_servers"])
def test_a_wrong_certificate_is_refused_with_the_reason(
    secured, certificates, which, clients, caplog
):
    node = secured(clients=clients)
    before = refusals("certificate")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecuredPeer(node.scp.tls_port, certificates.hospital, getattr(certificates, which))._read(1)
    wait_for_refusal(node, "certificate", before)
    assert re.search(
        r"tls.failed address=127.0.0.1 reason=certificate not accepted: \w+", caplog.text
    )


def test_the_node_shows_the_certificate_that_the_peer_can_check(secured, certificates):
    node = secured()
    with pytest.raises(ssl.SSLCertVerificationError):
        SecuredPeer(node.scp.tls_port, certificates.stranger, certificates.peer)


def test_who_speaks_without_tls_is_told_nothing(secured):
    node = secured()
    before = refusals("no-tls")
    peer = Peer(node.scp.tls_port)
    assert peer.associate(CT) != 2
    wait_for_refusal(node, "no-tls", before)
    assert node.scp.associations == 0


def test_both_ports_serve_where_both_are_open(secured, certificates):
    node = secured(plain=True)
    assert node.scp.port != node.scp.tls_port
    assert send(node.associated(CT), ct()) == 0x0000
    peer = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    assert peer.associate(CT) == 2
    assert send(peer, ct()) == 0x0000
    assert node.scp.listening


def test_handshakes_that_never_end_hold_up_nobody(secured, certificates):
    node = secured(timeout_s=60.0)
    silent = [socket.create_connection(("127.0.0.1", node.scp.tls_port)) for _ in range(30)]
    begun = [socket.create_connection(("127.0.0.1", node.scp.tls_port)) for _ in range(5)]
    for connection in begun:
        connection.sendall(b"\x16\x03\x01\x02\x00")  # the head of a record that never comes
    peer = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    assert peer.associate(CT) == 2
    assert send(peer, ct()) == 0x0000
    # The others were still being waited for.
    for connection in silent + begun:
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.close()


def test_a_handshake_has_a_limit_as_a_whole(secured):
    """A byte now and then is no progress."""
    node = secured(timeout_s=0.3)
    before = refusals("time-out")
    with socket.create_connection(("127.0.0.1", node.scp.tls_port)) as connection:
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(500)
        connection.settimeout(0.05)
        for byte in hello:
            try:
                connection.sendall(bytes([byte]))
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the node has waited for 500 bytes, one after the other")
    wait_for_refusal(node, "time-out", before)


def test_a_peer_that_stalls_in_tls_is_aborted(secured, certificates):
    node = secured(stall_s=0.3)
    peer = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    assert peer.associate(CT) == 2
    peer.send_pdv(store_request(CT, "1.2.3"), command=True)
    peer.send_pdv(b"\0" * 100, command=False, last=False)
    assert peer.read_pdu()[0] == 7
    node.wait_for(lambda: node.scp.associations == 0 and node.files() == [])


def test_a_stop_aborts_who_is_idle_and_waits_for_no_handshake(secured, certificates):
    node = secured(timeout_s=60.0)
    silent = socket.create_connection(("127.0.0.1", node.scp.tls_port))
    peer = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    assert peer.associate(CT) == 2
    threads = [session.thread for session in node.scp._admission.sessions]
    node.scp.stop(grace_s=20.0)
    assert peer.read_pdu()[0] == 7
    assert len(threads) == 2
    assert not any(thread.is_alive() for thread in threads)
    silent.close()


def test_other_certificates_come_into_force_while_associations_are_open(
    secured, certificates, tmp_path
):
    pair = [shutil.copy(path, tmp_path) for path in certificates.node]
    authorities = shutil.copy(certificates.hospital, tmp_path / "authorities.pem")
    node = secured(certificate_file=pair[0], key_file=pair[1], ca_file=authorities)
    before = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    assert before.associate(CT) == 2
    serial = before.socket.getpeercert()["serialNumber"]

    for new, old in zip(certificates.for_servers, pair, strict=True):
        shutil.copy(new, old)
    shutil.copy(certificates.stranger, authorities)
    assert node.tls.reload()

    after = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.strangers_peer)
    assert after.associate(CT) == 2
    assert after.socket.getpeercert()["serialNumber"] != serial
    assert send(before, ct()) == 0x0000
    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)._read(1)


def test_files_that_cannot_be_used_change_nothing(secured, certificates, tmp_path, caplog):
    pair = [shutil.copy(path, tmp_path) for path in certificates.node]
    node = secured(certificate_file=pair[0], key_file=pair[1])
    shutil.copy(certificates.peer[1], pair[1])
    assert not node.tls.reload()
    assert "tls.kept" in caplog.text
    assert "not the key of the certificate" in caplog.text
    peer = SecuredPeer(node.scp.tls_port, certificates.hospital, certificates.peer)
    assert peer.associate(CT) == 2


@pytest.mark.parametrize(
    ("options", "gets_in"),
    [
        (("-tls1_3",), True),
        (("-tls1_2",), True),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"), True),
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), False),
        (("-tls1", "-cipher", "ALL:@SECLEVEL=0"), False),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"), False),
        (("-tls1_2", "-cipher", "AES128-GCM-SHA256"), False),
        (("-tls1_2", "-cipher", "AECDH-AES128-SHA:@SECLEVEL=0"), False),
    ],
)
def test_only_what_bcp_195_allows_is_spoken(secured, certificates, options, gets_in):
    node = secured()
    before = refusals("version") + refusals("cipher")
    answer = subprocess.run(
        [need("openssl"), "s_client", "-connect", f"127.0.0.1:{node.scp.tls_port}",
         "-CAfile", certificates.hospital, "-verify_return_error",
         "-cert", certificates.peer[0], "-key", certificates.peer[1], *options],
        input=b"", capture_output=True, timeout=30,
    )  # fmt: skip
    assert (answer.returncode == 0) == gets_in
    if gets_in:
        assert b"Verify return code: 0 (ok)" in answer.stdout
    else:
        node.wait_for(lambda: refusals("version") + refusals("cipher") > before)


def test_a_caller_is_known_by_its_certificate(secured, certificates):
    encoded = ssl.PEM_cert_to_DER_cert(certificates.peer[0].read_text().strip())
    fingerprint = f"sha256:{hashlib.sha256(encoded).hexdigest().upper()}"
    rules = [
        CallerRule("by name", ("CT1",), certificates=("PEER",), max_pdu=8192),
        CallerRule("by fingerprint", ("CT2",), certificates=(fingerprint,), max_pdu=9000),
        CallerRule("another", ("CT3",), certificates=("ct3.example.org", "sha256:00")),
    ]
    node = secured(callers=Callers(rules, known_only=True), clients="optional", plain=True)

    def answer(calling: str, pair) -> bytes:
        peer = SecuredPeer(node.scp.tls_port, certificates.hospital, pair)
        kind = peer.associate(CT, calling=calling)
        limit = re.search(rb"\x51\x00\x00\x04(....)", peer.answer, re.DOTALL)
        return limit[1] if kind == 2 else peer.answer[1:]

    rejected = b"\x01\x01\x03"
    assert answer("CT1", certificates.peer) == struct.pack(">L", 8192)
    assert answer("CT2", certificates.peer) == struct.pack(">L", 9000)
    assert answer("CT3", certificates.peer) == rejected
    assert answer("CT1", None) == rejected
    assert answer("CT1", certificates.node) == rejected
    # Without TLS a title is nobody's.
    plain = Peer(node.scp.port)
    assert (plain.associate(CT, calling="CT1"), plain.answer[1:]) == (3, rejected)
