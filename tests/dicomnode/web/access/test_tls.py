"""The web service with TLS of its own."""

from __future__ import annotations

import socket
import ssl

import pytest

from tests.dicomnode.tls.authorities import Authority
from tests.dicomnode.web.access.served import served


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("web") / "hospital", "Hospital")


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.file)


def test_tokens_go_by_tls_and_cookies_for_nothing_else(tmp_path, hospital):
    certificate, key = hospital.sign("web")
    tls = {"certificate_file": certificate, "key_file": key}
    with served(tmp_path, trusting(hospital), host="0.0.0.0", tls=tls) as web:
        token = web.tokens.add("anna", "viewer")
        answer = web.ask("/sign-in", "POST", f"token={token}", Sec_Fetch_Site="same-origin")
        cookie = answer.headers["Set-Cookie"]
        pair = cookie.partition(";")[0]
        assert cookie.startswith("__Host-dicomnode=")
        assert "Secure" in cookie
        assert web.ask("/look", Cookie=pair).status == 200
        assert web.ask("/look", Cookie=pair.removeprefix("__Host-")).status == 401
        assert web.raw(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")[:5] != b"HTTP/"


def test_nothing_weaker_than_bcp_195_is_spoken(tmp_path, hospital):
    certificate, key = hospital.sign("bcp")
    with served(tmp_path, tls={"certificate_file": certificate, "key_file": key}) as web:
        for version, cipher in (
            (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
            (ssl.TLSVersion.TLSv1_2, "AES128-SHA256"),
            (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM"),
        ):
            context = trusting(hospital)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            context.set_ciphers(cipher)
            if cipher == "ECDHE+AESGCM":
                assert spoken(web.service.port, context) == "TLSv1.2"
            else:
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    spoken(web.service.port, context)
        assert spoken(web.service.port, trusting(hospital)) == "TLSv1.3"


def spoken(port: int, context: ssl.SSLContext, name: str | None = "localhost") -> str:
    with (
        socket.create_connection(("127.0.0.1", port), 30) as plain,
        context.wrap_socket(plain, server_hostname=name) as client,
    ):
        return client.version()


@pytest.mark.parametrize("by_name", [True, False])
def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path, hospital, by_name):
    first, second = hospital.sign("first"), hospital.sign("second")
    certificate, key = tmp_path / "web.pem", tmp_path / "web.key"

    def put(pair):
        certificate.write_bytes(pair[0].read_bytes())
        key.write_bytes(pair[1].read_bytes())

    def shown() -> bytes:
        context = trusting(hospital)
        context.check_hostname = by_name
        with (
            socket.create_connection(("127.0.0.1", web.service.port), 30) as plain,
            context.wrap_socket(plain, server_hostname="localhost" if by_name else None) as client,
        ):
            return client.getpeercert(binary_form=True)

    put(first)
    with served(tmp_path, tls={"certificate_file": certificate, "key_file": key}) as web:
        before = shown()
        put(second)
        assert shown() == before
        assert web.service.reload_certificate()
        after = shown()
        assert after != before
        key.write_text("none")
        assert not web.service.reload_certificate()
        assert shown() == after
