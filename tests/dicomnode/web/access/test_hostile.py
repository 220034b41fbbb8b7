"""What is tried against any web service: each costs the one who tries an error."""

from __future__ import annotations

import json
import socket
import time

import pytest

from dicomnode.web import connection
from dicomnode.web.access import bounds
from tests.dicomnode.web.access.served import served

FORM = "application/x-www-form-urlencoded"
HERE = {"Sec_Fetch_Site": "same-origin"}


@pytest.fixture
def web(tmp_path):
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def operator(web):
    """Cookie and the token of a page."""
    cookie = web.sign_in(web.tokens.add("olaf", "operator"))
    return cookie, json.loads(web.ask("/look", Cookie=cookie).body)["csrf"]


@pytest.mark.parametrize(
    "says",
    [
        {},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Sec_Fetch_Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_another_sites_page_changes_nothing(web, operator, says):
    cookie, csrf = operator
    sent = {"Cookie": cookie, "X_CSRF_Token": csrf} | says
    assert web.ask("/change", "POST", "{}", **sent).status == 403
    assert web.ask("/sign-in", "POST", f"token={csrf}", **says).status == 403


def test_a_page_of_the_service_changes_what_its_role_allows(web, operator):
    cookie, csrf = operator
    own = f"http://127.0.0.1:{web.service.port}"
    for says in (HERE, {"Origin": own}, HERE | {"Origin": own}):
        sent = {"Cookie": cookie, "X_CSRF_Token": csrf} | says
        assert web.ask("/change", "POST", "abc", **sent).body == '{"came":3}'
    form = f"lesion=1&csrf_token={csrf}"
    sent = {"Cookie": cookie, "Content_Type": FORM} | HERE
    assert web.ask("/change", "POST", form, **sent).body == f'{{"came":{len(form)}}}'
    token = web.tokens.add("script", "operator")
    assert web.ask("/change", "POST", "{}", Authorization=f"Bearer {token}").status == 200


@pytest.mark.parametrize("csrf", ["", "0" * 64, "\xff", "\U0001f600"])
def test_a_page_without_the_right_token_changes_nothing(web, operator, csrf):
    cookie, _ = operator
    sent = {"Cookie": cookie} | HERE
    assert web.ask("/change", "POST", "{}", **sent).status == 403
    form = {"Content_Type": FORM}
    assert web.ask("/change", "POST", f"csrf_token={csrf}", **sent, **form).status == 403
    twice = f"csrf_token={operator[1]}&csrf_token={operator[1]}"
    assert web.ask("/change", "POST", twice, **sent, **form).status == 403
    berta = web.sign_in(web.tokens.add("berta", "operator"))
    others = json.loads(web.ask("/look", Cookie=berta).body)["csrf"]
    assert web.ask("/change", "POST", "{}", **sent, X_CSRF_Token=others).status == 403


def test_another_sites_page_embeds_nothing_but_may_link(web, operator):
    cookie, _ = operator
    embeds = {"Cookie": cookie, "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
    assert web.ask("/look", **embeds).status == 403
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Accept": "text/html"}
    first = web.ask("/look?a=%22%3E%3Cscript%3E", **link)
    assert first.status == 200
    assert 'content="0; url=/look?a=%22%3E%3Cscript%3E"' in first.body
    answer = web.ask("/look", Origin="https://evil.example", Cookie=cookie)
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert web.ask("/look", "OPTIONS", Origin="https://evil.example").status in (401, 405)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "localhost.evil.example",
                                  "127.0.0.1@evil.example", "[::1", "localhost:80:80"])  # fmt: skip
def test_a_name_that_was_made_to_mean_this_machine_reads_nothing(tmp_path, host):
    with served(tmp_path, loopback_role="viewer", names=["node.example.org"]) as web:
        assert web.ask("/look", Host=host).status == 421
        assert web.ask("/health", Host=host).status == 421
        for own in ("localhost:80", "LOCALHOST", "[::1]:1", "node.example.org"):
            assert web.ask("/look", Host=own).status == 200


@pytest.mark.parametrize("path", ["/static/../../../settings/web.py", "/static/..%2f..%2fpages.py",
                                  "/static/%2e%2e/pages.py", "/static//etc/passwd",
                                  "/static/..\\pages.py", "/static/%00", "/static/"])  # fmt: skip
def test_nothing_but_static_files_is_static(web, path):
    answer = web.ask(path)
    assert answer.status == 404
    assert "import" not in answer.body


def test_every_answer_tells_the_browser_to_be_careful(web):
    for path, status in (("/look", 401), ("/sign-in", 200), ("/none", 404), ("/fails", 500),
                         ("/static/house.css", 200), ("/health", 200)):  # fmt: skip
        answer = web.ask(path)
        assert answer.status == status
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] is None
        assert "PATIENT" not in answer.body


def test_who_guesses_tokens_has_to_wait(web):
    token = web.tokens.add("anna", "viewer")
    right = {"Authorization": f"Bearer {token}"}
    assert web.ask("/look", **right).status == 200
    for _ in range(10):
        assert web.ask("/look", Authorization="Bearer guess").status == 401
    answer = web.ask("/look", Authorization="Bearer guess")
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 31
    assert web.ask("/sign-in", "POST", "token=guess", **HERE).status == 429
    # Who is known from right before shares the address of the one who guesses.
    assert web.ask("/look", **right).status == 200
    assert [event.kind for event in web.events].count("refused") == 10


def test_a_body_is_bounded(web):
    token = {"Authorization": f"Bearer {web.tokens.add('script', 'operator')}"}
    assert web.ask("/change", "POST", b"0" * 2**20, **token).status == 200
    assert web.ask("/change", "POST", b"0" * (2**20 + 1), **token).status == 413
    assert web.ask("/dicom-web/studies", "POST", b"0" * (2**20 + 1), **token).status == 200
    chunk = b"10000\r\n" + b"0" * 0x10000 + b"\r\n"
    head = (
        f"POST /change HTTP/1.1\r\nHost: localhost\r\n{'Authorization'}: {token['Authorization']}"
    )
    head += "\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert web.raw(head.encode() + chunk * 17 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_header_is_bounded(web):
    assert web.ask("/look", Cookie="dicomnode=" + "0" * 8000).status == 401
    with socket.create_connection(("127.0.0.1", web.service.port), 30) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=" + b"0" * 200_000)
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://evil.example/look HTTP/1.1\r\nHost: localhost",
        b"GET /look HTTP/1.1\r\nHost: localhost\r\nHost: localhost",
        b"GET /look HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2",
        b"POST /change HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1",
        b"POST /change HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: x",
        b"GET /look HTTP/1.1\r\nHost: localhost\r\n X: folded",
        b"GET /look HTTP/1.1\r\nHost: localhost\r\nX\x00: 1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost",
    ],
)
def test_a_request_that_is_none_is_refused(web, request_line):
    answer = web.raw(request_line + b"\r\nConnection: close\r\n\r\n")
    assert answer.split(b" ")[1] in (b"400", b"401", b"404", b"405", b"421", b"501"), answer[:200]
    assert web.ask("/health").status == 200


def test_who_is_slow_keeps_nobody_out(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "_HEADERS_S", 0.3)
    monkeypatch.setattr(bounds, "_PAUSE_S", 0.3)
    with served(tmp_path, max_connections=4) as web:
        token = web.tokens.add("script", "operator")
        slow = [socket.create_connection(("127.0.0.1", web.service.port), 30) for _ in range(3)]
        slow[1].sendall(b"GET /health HTTP/1.1\r\nHost: local")
        body = f"POST /change HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        slow[2].sendall(body.encode() + b"Content-Length: 9\r\n\r\n0")
        assert [client.recv(100)[:12] for client in slow[:2]] == [b"", b""]
        assert slow[2].recv(100)[:12] == b"HTTP/1.1 408"
        for client in slow:
            client.close()
        assert web.ask("/health").status == 200
        with socket.create_connection(("127.0.0.1", web.service.port), 30) as kept:
            for _ in range(3):
                kept.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b""
                while not answer.endswith(b"well"):
                    part = kept.recv(4096)
                    assert part, answer
                    answer += part
                time.sleep(0.2)
