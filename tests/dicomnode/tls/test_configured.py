"""What [tls] and the peers' tables say, and what the doctor says of the files that they name."""

from __future__ import annotations

import re
import time

import pytest

from dicomnode.doctor.finding import Verdict
from dicomnode.doctor.secured import look_at_tls
from dicomnode.settings import NodeSettings, SettingsError, load_settings
from dicomnode.tls.contexts import TLSFilesError, client_context, server_context
from dicomnode.tls.in_force import ServerTLS
from dicomnode.tls.settings import PeerTLS


def configured(tmp_path, tls: str, peer_tls: str = "") -> NodeSettings:
    path = tmp_path / "node.toml"
    path.write_text(
        f'[store]\npath = "{tmp_path}"\n[tls]\n{tls}\n[[destinations]]\nname = "pacs"\n'
        f'ae_title = "PACS"\nhost = "pacs"\nport = 2762\n{peer_tls}\n'
        '[[sources]]\nname = "ARCHIVE"\nkind = "c-get"\nae_title = "PACS"\nhost = "pacs"\n'
        'port = 2762\n[sources.tls]\nca_file = "other.pem"\n'
        '[[commitment.peers]]\nae_title = "CT1"\nhost = "ct1"\nport = 104\n'
    )
    return load_settings(path)


def test_what_a_peer_leaves_out_is_as_for_all(tmp_path):
    tls = 'ca_file = "ca.pem"\ncertificate_file = "own.pem"\nkey_file = "own.key"'
    settings = configured(tmp_path, tls, "tls = {}")
    destination, source, told = (
        settings.destinations[0].tls, settings.sources[0].tls, settings.commitment.peers[0].tls
    )  # fmt: skip
    assert [str(destination.ca_file), str(destination.key_file)] == ["ca.pem", "own.key"]
    assert [str(source.ca_file), str(source.key_file)] == ["other.pem", "own.key"]
    assert told is None


def test_a_key_of_all_is_not_put_to_the_certificate_of_one(tmp_path):
    tls = 'ca_file = "ca.pem"\ncertificate_file = "own.pem"\nkey_file = "own.key"'
    settings = configured(tmp_path, tls, 'tls = { certificate_file = "one.pem" }')
    assert settings.destinations[0].tls == PeerTLS(ca_file="ca.pem", certificate_file="one.pem")


@pytest.mark.parametrize(
    ("tls", "peer", "reason"),
    [
        ("", "tls = {}", "needs ca_file"),
        ("port = 2762", "", "port needs certificate_file"),
        ('port = 2762\ncertificate_file = "a"', "", 'clients = "required" needs ca_file'),
        ("only = true", "", "only = true needs a port"),
        ('key_file = "a"', "", "a key without certificate_file"),
        ('port = 11112\nclients = "none"\ncertificate_file = "a"', "", "are both 11112"),
        ("", 'tls = { ca = "a" }', "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_stops_the_start(tmp_path, tls, peer, reason):
    with pytest.raises(SettingsError, match=reason):
        configured(tmp_path, tls, peer)


def test_a_relative_file_is_a_credential(tmp_path, certificates, monkeypatch):
    for name, path in zip(("own.pem", "own.key"), certificates.node, strict=True):
        (tmp_path / name).write_bytes(path.read_bytes())
    settings = certificates.settings(certificate_file="own.pem", key_file="own.key")
    with pytest.raises(TLSFilesError, match=r"own\.pem: cannot be read .*LoadCredential="):
        server_context(settings)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    server_context(settings)


def test_a_locked_key_is_opened_by_its_password_and_asks_nobody(tmp_path, certificates):
    values = dict(zip(("certificate_file", "key_file"), certificates.locked, strict=True))
    with pytest.raises(TLSFilesError, match="no key_password_file"):
        server_context(certificates.settings(**values))
    password = tmp_path / "password"
    password.write_text("another")
    with pytest.raises(TLSFilesError, match="does not open it"):
        server_context(certificates.settings(**values, key_password_file=password))
    password.write_text("a password\n")
    server_context(certificates.settings(**values, key_password_file=password))


def test_an_authority_that_is_none_is_refused(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    with pytest.raises(TLSFilesError, match=re.escape(f"{file}: cannot be used")):
        client_context(PeerTLS(ca_file=file))


# -- the doctor


def verdicts(settings: NodeSettings) -> dict[str, tuple[Verdict, str]]:
    return {found.check: (found.verdict, found.words) for found in look_at_tls(settings)}


def doctored(certificates, tmp_path, pair, **changes: object) -> NodeSettings:
    """A receiver with copies of a certificate and its key."""
    files = [tmp_path / "own.pem", tmp_path / "own.key"]
    for target, source in zip(files, pair, strict=True):
        target.write_bytes(source.read_bytes())
        target.chmod(0o640)
    values = {"certificate_file": files[0], "key_file": files[1]}
    return NodeSettings(tls=certificates.settings(**(values | changes)))


def test_what_is_well_passes(certificates, tmp_path):
    found = verdicts(doctored(certificates, tmp_path, certificates.node))
    verdict, words = found["TLS [tls]"]
    # The test's certificates are valid for 30 days.
    assert verdict is Verdict.WARN
    assert "is valid for 29 days" in words
    assert "localhost" in words
    assert found["TLS [tls] ca_file"][0] is Verdict.WARN
    assert len(found) == 2


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("expired", "the certificate ended"),
        ("weak", "ee key too small"),
    ],
)
def test_a_certificate_that_no_peer_takes_fails(certificates, tmp_path, which, words):
    pair = getattr(certificates, which)
    verdict, found = verdicts(doctored(certificates, tmp_path, pair))["TLS [tls]"]
    assert verdict is Verdict.FAIL
    assert words in found.lower().replace("_", " ")


def test_a_key_of_another_certificate_fails(certificates, tmp_path):
    settings = doctored(certificates, tmp_path, (certificates.node[0], certificates.peer[1]))
    verdict, words = verdicts(settings)["TLS [tls]"]
    assert verdict is Verdict.FAIL
    assert "not the key of the certificate" in words


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_key_that_others_can_have_warns(certificates, tmp_path, mode):
    settings = doctored(certificates, tmp_path, certificates.node)
    settings.tls.key_file.chmod(mode)
    verdict, words = verdicts(settings)["TLS [tls] key_file"]
    assert verdict is Verdict.WARN
    assert f"mode {mode:04o}" in words


def test_a_certificate_for_servers_cannot_be_shown_to_peers_that_are_called(certificates, tmp_path):
    settings = NodeSettings(
        destinations=[
            {
                "name": "pacs",
                "ae_title": "PACS",
                "host": "pacs",
                "port": 2762,
                "tls": {
                    "ca_file": certificates.hospital,
                    "check_name": False,
                    "certificate_file": certificates.for_servers[0],
                    "key_file": certificates.for_servers[1],
                },
            }
        ]
    )
    found = list(look_at_tls(settings))
    assert [finding.verdict for finding in found] == [Verdict.WARN, Verdict.FAIL]
    assert "check_name = false" in found[0].words
    assert "purpose" in found[1].words
    as_server = doctored(certificates, tmp_path, certificates.for_servers)
    assert verdicts(as_server)["TLS [tls]"][0] is not Verdict.FAIL


def test_where_nothing_is_set_nothing_is_wrong():
    assert verdicts(NodeSettings()) == {"TLS": (Verdict.PASS, "no association has it")}


@pytest.mark.parametrize(
    ("which", "days"), [("node", 30), ("expired", -1), ("for_servers", 30), ("for_clients", None)]
)
def test_it_is_known_when_the_certificate_ends(certificates, which, days):
    pair = dict(zip(("certificate_file", "key_file"), getattr(certificates, which), strict=True))
    end = ServerTLS(certificates.settings(**pair)).certificate_end
    if days is None:  # no peer takes a client's certificate from a server
        assert end == 0.0
    else:
        assert end == pytest.approx(time.time() + days * 86400, abs=86400 / 2)


def test_credentials_that_only_the_unit_can_read_are_no_fault(certificates, tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    settings = NodeSettings(tls=certificates.settings(key_file="tls-key"))
    verdict, words = verdicts(settings)["TLS [tls]"]
    assert verdict is Verdict.WARN
    assert "credentials of systemd" in words
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert verdicts(settings)["TLS [tls]"][0] is Verdict.FAIL
