"""A proxy that signs people in: whose word is taken, and whose is not."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from dicomnode.settings import WebSettings
from tests.dicomnode.web.access.served import served

SECRET = "5f3a9e0c7b1d2f4a6c8e"
SAYS = {
    "X_Forwarded_User": "anna",
    "X_Forwarded_Groups": "staff,radiology",
    "X_Forwarded_For": "10.9.9.9, 10.0.0.7",
    "X_Forwarded_Proto": "https",
}


def proxied(tmp_path, **changes):
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    return {
        "addresses": ["127.0.0.1"],
        "secret_file": str(secret),
        "viewer": ["radiology"],
        "operator": ["pacs-team"],
        "administrator": ["node-admins"],
    } | changes


def test_the_proxy_says_who_asks_and_from_where(tmp_path):
    with served(tmp_path, proxy=proxied(tmp_path)) as web:
        answer = web.ask("/look", **SAYS, X_Dicomnode_Proxy_Secret=SECRET)
        found = json.loads(answer.body)
        assert (found["user"], found["address"], found["scheme"]) == ("anna", "10.0.0.7", "https")
        assert not [name for name in found["headers"] if "forwarded" in name or "secret" in name]
        assert web.ask("/change", **SAYS, X_Dicomnode_Proxy_Secret=SECRET).status == 403
        more = SAYS | {"X_Forwarded_Groups": "pacs-team"}
        assert web.ask("/change", **more, X_Dicomnode_Proxy_Secret=SECRET).status == 200
        none = SAYS | {"X_Forwarded_Groups": "staff"}
        assert web.ask("/look", **none, X_Dicomnode_Proxy_Secret=SECRET).status == 401
        assert [event.user for event in web.events if event.kind == "in"] == ["anna"]


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "0", "\xff"])
def test_nobody_else_poses_as_the_proxy(tmp_path, secret):
    with served(tmp_path, proxy=proxied(tmp_path)) as web:
        shown = {} if secret is None else {"X_Dicomnode_Proxy_Secret": secret}
        assert web.ask("/look", **SAYS, **shown).status == 401


def test_nobody_comes_from_another_address_as_the_proxy(tmp_path):
    with served(tmp_path, proxy=proxied(tmp_path, addresses=["10.0.0.0/8"])) as web:
        assert web.ask("/look", **SAYS, X_Dicomnode_Proxy_Secret=SECRET).status == 401


@pytest.mark.parametrize("name", ["X_Forwarded_User", "X_Forwarded_Groups"])
def test_a_header_that_a_client_smuggles_beside_the_proxys_is_refused(tmp_path, name):
    with served(tmp_path, proxy=proxied(tmp_path)) as web:
        twice = SAYS | {name: ["node-admins", SAYS[name]]}
        assert web.ask("/look", **twice, X_Dicomnode_Proxy_Secret=SECRET).status == 400
        told = b"".join(
            f"{name.replace('_', '-')}: {value}\r\n".encode() for name, value in SAYS.items()
        )
        answer = web.raw(
            b"GET /look HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            + told
            + f"{name}: node-admins\r\nX-Dicomnode-Proxy-Secret: {SECRET}\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_secret_that_cannot_be_read_lets_nobody_in(tmp_path, caplog):
    with served(tmp_path, proxy=proxied(tmp_path)) as web:
        (tmp_path / "secret").unlink()
        assert web.ask("/look", **SAYS, X_Dicomnode_Proxy_Secret=SECRET).status == 401
        (tmp_path / "secret").write_text("\n")
        assert web.ask("/look", **SAYS, X_Dicomnode_Proxy_Secret="").status == 401
    assert "web.proxy_secret_unread" in caplog.text
    assert SECRET not in caplog.text


def test_who_comes_through_the_proxy_is_not_of_this_machine(tmp_path):
    settings = {"proxy": proxied(tmp_path), "loopback_role": "administrator"}
    with served(tmp_path, **settings) as web:
        nobody = {"X_Forwarded_For": "10.0.0.7", "X_Dicomnode_Proxy_Secret": SECRET}
        assert web.ask("/look", **nobody).status == 401
        assert web.ask("/health", **nobody).status == 401
        assert web.ask("/rule", X_Dicomnode_Proxy_Secret=SECRET).status == 401
        assert web.ask("/health", X_Dicomnode_Proxy_Secret=SECRET).status == 401
        assert web.ask("/rule").status == 200


def test_a_token_passes_through_the_proxy_too(tmp_path):
    with served(tmp_path, proxy=proxied(tmp_path)) as web:
        token = web.tokens.add("viewer-of-the-pacs", "viewer")
        headers = {"X_Forwarded_For": "10.0.0.7", "X_Dicomnode_Proxy_Secret": SECRET}
        found = web.ask("/look", Authorization=f"Bearer {token}", **headers)
        assert json.loads(found.body)["address"] == "10.0.0.7"


def test_the_unix_socket_is_the_proxys(tmp_path):
    proxy = {"viewer": ["radiology"], "groups_header": "X-Groups"}
    socket = tmp_path / "web.sock"
    with served(tmp_path, port=None, socket=socket, proxy=proxy) as web:
        assert socket.stat().st_mode & 0o777 == 0o660
        found = web.ask("/look", X_Forwarded_User="anna", X_Groups="radiology")
        assert json.loads(found.body)["user"] == "anna"
        assert web.ask("/look", X_Forwarded_User="anna").status == 401
        assert web.ask("/health").status == 401
    assert not socket.exists()


@pytest.mark.parametrize(
    ("web", "reason"),
    [
        ({"port": 1, "host": "0.0.0.0"}, "in the clear"),
        ({"port": 1, "host": "pacs.example.org"}, "expected an address"),
        ({"port": 1, "proxy": {"addresses": ["10.0.0.1"], "viewer": ["a"]}}, "secret_file"),
        ({"port": 1, "proxy": {"addresses": ["10.0.0.1/8"], "viewer": ["a"]}}, "host bits"),
        ({"port": 1, "proxy": {}}, "nobody would be let in"),
        ({"port": 1, "proxy": {"viewer": ["a"], "user_header": "A B"}}, "HTTP header"),
        (
            {"port": 1, "proxy": {"viewer": ["a"], "user_header": "X-Forwarded-Groups"}},
            "three headers",
        ),
        ({"port": 1, "socket": "/run/a"}, "one of them"),
        ({"socket": "/run/a"}, "web.proxy"),
        ({"port": 1, "tls": {}}, "certificate_file"),
        ({"port": 1, "names": ["a:80"]}, "without a port"),
        ({"port": 1, "watchers": ["prometheus"]}, "does not appear"),
        ({"port": 1, "loopback_role": "root"}, "administrator"),
    ],
)
def test_settings_that_would_let_in_the_wrong_ones_stop_the_start(web, reason):
    with pytest.raises(ValidationError, match=reason):
        WebSettings(**web)
