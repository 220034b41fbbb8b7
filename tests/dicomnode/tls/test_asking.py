"""TLS on associations that the node asks for: to whom it talks, and what it says if it does not."""

from __future__ import annotations

import socket
import threading

import pytest

from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.store_scu import echo
from dicomnode.settings import DicomDestination
from dicomnode.tls.settings import PeerTLS
from tests.dicomnode.receive.loopback import Node


def ask(port: int, host: str = "127.0.0.1", **tls: object):
    destination = DicomDestination(
        name="pacs", ae_title="NODE", host=host, port=port, connect_timeout_s=1,
        response_timeout_s=3, tls=PeerTLS(**tls),
    )  # fmt: skip
    return echo(destination, "ASKER")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_who_shows_a_certificate_for_its_host_is_asked(secured, certificates, host):
    node = secured(clients="none")
    assert ask(node.scp.tls_port, host, ca_file=certificates.hospital).verdict is Verdict.ACCEPTED


def test_the_node_shows_its_own_certificate(secured, certificates):
    node = secured()
    own = {"certificate_file": certificates.peer[0], "key_file": certificates.peer[1]}
    answer = ask(node.scp.tls_port, ca_file=certificates.hospital, **own)
    assert answer.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("own", [None, "strangers_peer"])
def test_a_peer_that_refuses_the_nodes_certificate_says_so(secured, certificates, own):
    node = secured()
    given = {} if own is None else dict(
        zip(("certificate_file", "key_file"), getattr(certificates, own), strict=True)
    )  # fmt: skip
    answer = ask(node.scp.tls_port, ca_file=certificates.hospital, **given)
    assert answer.verdict is Verdict.REPEAT
    reason = "certificate required" if own is None else "unknown ca"
    assert f"no TLS: tlsv13 alert {reason}" in answer.words or f"alert {reason}" in answer.words


def test_a_certificate_of_a_stranger_is_not_taken(secured, certificates):
    node = secured(clients="none")
    answer = ask(node.scp.tls_port, ca_file=certificates.stranger)
    assert answer.verdict is Verdict.REPEAT
    assert (
        "no TLS: certificate not accepted: self-signed"
        in answer.words.replace("self signed", "self-signed")
        or "unable to get local issuer certificate" in answer.words
    )
    assert node.scp.associations == 0


def test_a_certificate_must_name_the_host(secured, certificates):
    node = secured(clients="none")
    port = node.scp.tls_port
    answer = ask(port, ca_file=certificates.hospital, server_name="pacs.example.org")
    assert "Hostname mismatch" in answer.words
    named = ask(port, ca_file=certificates.hospital, server_name="node")
    unchecked = ask(
        port, ca_file=certificates.hospital, server_name="pacs.example.org", check_name=False
    )
    assert named.verdict is unchecked.verdict is Verdict.ACCEPTED


def test_an_expired_certificate_is_not_taken(secured, certificates):
    own = {"certificate_file": certificates.expired[0], "key_file": certificates.expired[1]}
    node = secured(clients="none", **own)
    answer = ask(node.scp.tls_port, ca_file=certificates.hospital)
    assert "certificate has expired" in answer.words


def test_a_peer_without_tls_is_not_talked_to(tmp_path, certificates):
    node = Node(tmp_path / "plain").start()
    try:
        answer = ask(node.scp.port, ca_file=certificates.hospital)
        assert answer.verdict is not Verdict.ACCEPTED
    finally:
        node.close()


def test_a_peer_that_never_ends_the_handshake_is_given_up(certificates):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = []
        port = silent.getsockname()[1]
        asking = threading.Thread(
            target=lambda: answer.append(ask(port, ca_file=certificates.hospital))
        )
        asking.start()
        asking.join(30)
        assert not asking.is_alive()
    assert "no handshake in time" in answer[0].words


def test_files_that_are_missing_are_named(certificates, tmp_path):
    answer = ask(9, ca_file=tmp_path / "none.pem")
    assert answer.verdict is Verdict.REPEAT
    assert f"{tmp_path / 'none.pem'}: cannot be read (No such file or directory)" in answer.words


def test_a_renewed_certificate_needs_no_reload(secured, certificates, tmp_path):
    node = secured()
    own = [tmp_path / "own.pem", tmp_path / "own.key"]
    for name, expected in (("expired", Verdict.REPEAT), ("peer", Verdict.ACCEPTED)):
        for target, source in zip(own, getattr(certificates, name), strict=True):
            target.write_bytes(source.read_bytes())
        answer = ask(
            node.scp.tls_port, ca_file=certificates.hospital,
            certificate_file=own[0], key_file=own[1],
        )  # fmt: skip
        assert answer.verdict is expected, answer.words
