"""Revocation lists: who is on one gets in nowhere, and a list that ended is told of in time."""

from __future__ import annotations

import logging
import ssl
import time

import pytest

from dicomnode.doctor.finding import Verdict
from dicomnode.doctor.secured import look_at_tls
from dicomnode.settings import NodeSettings
from dicomnode.tls.contexts import TLSFilesError, server_context
from dicomnode.tls.in_force import ServerTLS
from dicomnode.tls.revoked import lists_end
from dicomnode.tls.settings import TLSSettings, with_shared_identity
from tests.dicomnode.receive.loopback import CT, ct, send
from tests.dicomnode.tls.authorities import Authority
from tests.dicomnode.tls.test_taking import SecuredPeer, refusals, wait_for_refusal


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("clinic") / "ca", "Clinic")


@pytest.fixture(scope="module")
def good(clinic):
    return clinic.sign("good")


@pytest.fixture(scope="module")
def stolen(clinic):
    return clinic.sign("stolen")


@pytest.fixture
def with_list(clinic, good):
    def settings(crl_file) -> TLSSettings:
        return TLSSettings(
            port=0, only=True, ca_file=clinic.file, certificate_file=good[0], key_file=good[1],
            crl_file=crl_file,
        )  # fmt: skip

    return settings


def test_who_is_on_the_list_is_refused_and_others_get_in(secured, clinic, good, stolen):
    own = {"ca_file": clinic.file, "certificate_file": good[0], "key_file": good[1]}
    node = secured(**own, crl_file=clinic.revoke(stolen[0]))
    peer = SecuredPeer(node.scp.tls_port, clinic.file, good)
    assert peer.associate(CT) == 2
    assert send(peer, ct()) == 0x0000
    before = refusals("certificate")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecuredPeer(node.scp.tls_port, clinic.file, stolen)._read(1)
    wait_for_refusal(node, "certificate", before)


def test_a_list_that_ended_lets_nobody_in_and_says_so(secured, clinic, good, caplog):
    own = {"ca_file": clinic.file, "certificate_file": good[0], "key_file": good[1]}
    node = secured(**own, crl_file=clinic.revoke(hours=0))
    assert "tls.outdated" in caplog.text
    caplog.set_level(logging.WARNING)
    before = refusals("certificate")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        SecuredPeer(node.scp.tls_port, clinic.file, good)._read(1)
    wait_for_refusal(node, "certificate", before)
    node.wait_for(lambda: "CRL has expired" in caplog.text)


def test_a_list_is_read_again_at_a_reload(clinic, stolen, with_list, tmp_path):
    file = tmp_path / "list.pem"
    file.write_bytes(clinic.revoke().read_bytes())
    tls = ServerTLS(with_list(file))
    before = tls.context
    file.write_text("no list")
    assert not tls.reload()
    assert tls.context is before
    file.write_bytes(clinic.revoke(stolen[0]).read_bytes())
    assert tls.reload()
    assert tls.context is not before


def test_a_file_of_certificates_is_no_list(clinic, with_list):
    with pytest.raises(TLSFilesError, match="expected revocation lists"):
        server_context(with_list(clinic.file))


def test_lists_belong_to_their_authorities():
    shared = {"ca_file": "ca.pem", "crl_file": "ca.crl"}
    other = with_shared_identity(shared, {"tls": {"ca_file": "pacs.pem"}})
    same = with_shared_identity(shared, {"tls": {"certificate_file": "own.pem"}})
    assert other["tls"] == {"ca_file": "pacs.pem"}
    assert same["tls"] == {**shared, "certificate_file": "own.pem"}


@pytest.mark.parametrize(
    ("hours", "verdict"), [(24, Verdict.PASS), (6, Verdict.WARN), (0, Verdict.FAIL)]
)
def test_the_doctor_says_how_long_lists_are_valid(clinic, with_list, hours, verdict):
    settings = with_list(clinic.revoke(hours=hours))
    (found,) = [
        finding
        for finding in look_at_tls(NodeSettings(tls=settings))
        if finding.check.endswith("crl_file")
    ]
    assert found.verdict is verdict


def test_the_first_list_to_end_counts(clinic, with_list, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(clinic.revoke(hours=h).read_bytes() for h in (48, 2)))
    assert lists_end(with_list(both)) == pytest.approx(time.time() + 2 * 3600, abs=600)
