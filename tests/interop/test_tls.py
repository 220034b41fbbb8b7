"""DCMTK's TLS tools and Orthanc against the node, both ways."""

# ruff: noqa: F811 (fixtures are imported, and named as arguments)

from __future__ import annotations

import contextlib
import socket
import subprocess
import time

import pytest
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks.peers.orthanc import Orthanc
from dicomnode.association import associate, requesting_ae
from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.store_scu import echo
from dicomnode.proposed_contexts import storage
from dicomnode.settings import DicomDestination
from dicomnode.tls.settings import PeerTLS
from tests.dicomnode.receive.loopback import ct
from tests.dicomnode.tls.conftest import certificates, secured  # noqa: F401  (fixtures)
from tests.interop.peers import need


def storescu(node, certificates, file, pair, *options: str):
    identity = ["+tla"] if pair is None else ["+tls", str(pair[1]), str(pair[0])]
    return subprocess.run(
        [need("storescu"), *identity, "+cf", str(certificates.hospital), *options,
         "-aet", "CT1", "-aec", "NODE", "127.0.0.1", str(node.scp.tls_port), str(file)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def file(tmp_path):
    data_set = ct(rows=256, columns=256, PixelData=bytes(2 * 256 * 256))
    path = tmp_path / "ct.dcm"
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_storescu_sends_by_each_profile_of_bcp_195(secured, certificates, file, profile):
    node = secured()
    answer = storescu(node, certificates, file, certificates.peer, profile)
    assert answer.returncode == 0, answer.stderr
    # What it sent is here whole, and it had no complaint about the end.
    assert len(node.index.received) == 1
    assert "E:" not in answer.stderr


@pytest.mark.parametrize("which", [None, "strangers_peer", "expired", "for_servers"])
def test_storescu_without_a_right_certificate_sends_nothing(secured, certificates, file, which):
    node = secured()
    pair = None if which is None else getattr(certificates, which)
    assert storescu(node, certificates, file, pair).returncode != 0
    assert storescu(node, certificates, file, certificates.peer).returncode == 0
    assert len(node.index.received) == 1


def test_storescu_without_tls_gets_no_association(secured, file):
    node = secured()
    answer = subprocess.run(
        [need("storescu"), "-aec", "NODE", "127.0.0.1", str(node.scp.tls_port), str(file)],
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert answer.returncode != 0
    assert node.index.received == {}


@contextlib.contextmanager
def storescp(folder, authority, pair, *options: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    process = subprocess.Popen(
        [need("storescp"), "-od", str(folder), "+tls", str(pair[1]), str(pair[0]),
         "+cf", str(authority), *options, str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            assert time.monotonic() < end, "storescp does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def destination(port: int, authority, pair=None) -> DicomDestination:
    own = {} if pair is None else {"certificate_file": pair[0], "key_file": pair[1]}
    return DicomDestination(
        name="pacs", ae_title="STORESCP", host="127.0.0.1", port=port,
        connect_timeout_s=5, response_timeout_s=5, tls=PeerTLS(ca_file=authority, **own),
    )  # fmt: skip


def test_the_node_asks_storescp_by_tls_each_showing_a_certificate(certificates, tmp_path):
    with storescp(tmp_path, certificates.hospital, certificates.node) as port:
        right = destination(port, certificates.hospital, certificates.peer)
        assert echo(right, "NODE").verdict is Verdict.ACCEPTED
        for wrong in (
            destination(port, certificates.hospital),
            destination(port, certificates.hospital, certificates.strangers_peer),
            destination(port, certificates.stranger, certificates.peer),
        ):
            answer = echo(wrong, "NODE")
            assert answer.verdict is Verdict.REPEAT
            assert "no TLS" in answer.words
        assert echo(right, "NODE").verdict is Verdict.ACCEPTED


def test_a_result_is_stored_by_tls(certificates, tmp_path, file):
    """The data come whole, in records of TLS that are smaller than a PDU."""

    inbox = tmp_path / "inbox"
    inbox.mkdir()
    sent = dcmread(file)
    with storescp(inbox, certificates.hospital, certificates.node, "+B") as port:
        peer = destination(port, certificates.hospital, certificates.peer)
        proposal = storage({(sent.SOPClassUID, "1.2.840.10008.1.2.1")}, compressed=False)
        association = associate(requesting_ae(peer, "NODE"), peer, proposal)
        try:
            assert association.send_c_store(sent).Status == 0x0000
        finally:
            association.release()
        (stored,) = inbox.iterdir()
        assert dcmread(stored).PixelData == sent.PixelData


def test_orthanc_and_the_node_send_to_each_other_by_tls(secured, certificates, tmp_path, file):
    """Orthanc asks for a certificate as well, and checks the node's when it calls it."""
    need("Orthanc")
    node = secured()
    options = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(certificates.peer[0]),
        "DicomTlsPrivateKey": str(certificates.peer[1]),
        "DicomTlsTrustedCertificates": str(certificates.hospital),
        "DicomModalities": {
            "node": {
                "AET": "NODE", "Host": "127.0.0.1", "Port": node.scp.tls_port, "UseDicomTls": True,
            },
        },
    }  # fmt: skip
    sent = dcmread(file)
    with Orthanc(tmp_path / "orthanc", **options) as pacs:
        peer = destination(pacs.port, certificates.hospital, certificates.node)
        proposal = storage({(sent.SOPClassUID, "1.2.840.10008.1.2.1")}, compressed=False)
        association = associate(requesting_ae(peer, "NODE"), peer, proposal)
        try:
            assert association.send_c_store(sent).Status == 0x0000
        finally:
            association.release()
        stranger = destination(pacs.port, certificates.hospital, certificates.strangers_peer)
        assert echo(stranger, "NODE").verdict is Verdict.REPEAT
        (stored,) = pacs.find("CT")
        pacs.ask("/modalities/node/store", [stored])
    assert set(node.index.received) == {sent.SOPInstanceUID}
