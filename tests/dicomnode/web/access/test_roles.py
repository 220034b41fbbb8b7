"""Who gets in, and as what."""

from __future__ import annotations

import json

import pytest

from dicomnode.web.access.sign_in_event import SignInEvent
from tests.dicomnode.web.access.served import served

PATHS = {"viewer": "/look", "operator": "/change", "administrator": "/rule"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", {"viewer"}),
        ("operator", {"viewer", "operator"}),
        ("administrator", {"viewer", "operator", "administrator"}),
    ],
)
def test_each_role_may_what_the_lower_ones_may(tmp_path, role, may):
    with served(tmp_path) as web:
        token = web.tokens.add("anna", role)
        for name, path in PATHS.items():
            assert web.ask(path, **bearer(token)).status == (200 if name in may else 403)
        if role == "viewer":
            assert SignInEvent("forbidden", "anna", "127.0.0.1", "/rule") in web.events
        assert web.events[0] == SignInEvent("in", "anna", "127.0.0.1")
        assert [event.kind for event in web.events].count("in") == 1


def test_nobody_gets_in_without_saying_who_they_are(tmp_path):
    with served(tmp_path) as web:
        for path in PATHS.values():
            answer = web.ask(path)
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
            assert json.loads(answer.body) == {"detail": "sign in first"}
        page = web.ask("/look?study=1.2", Accept="text/html,*/*")
        assert page.status == 303
        assert page.headers["Location"] == "/sign-in?next=%2Flook%3Fstudy%3D1.2"
        assert web.ask("/health").body == "well"


def test_a_session_begins_with_a_token_and_ends_with_it(tmp_path):
    with served(tmp_path) as web:
        cookie = web.sign_in(web.tokens.add("anna", "viewer"))
        found = json.loads(web.ask("/look", Cookie=cookie).body)
        assert (found["user"], found["address"]) == ("anna", "127.0.0.1")
        web.tokens.revoke("anna")
        assert web.ask("/look", Cookie=cookie).status == 401


def test_signing_out_ends_the_session_on_the_server(tmp_path):
    with served(tmp_path) as web:
        cookie = web.sign_in(web.tokens.add("anna", "viewer"))
        csrf = json.loads(web.ask("/look", Cookie=cookie).body)["csrf"]
        answer = web.ask(
            "/sign-out",
            "POST",
            f"csrf_token={csrf}",
            Cookie=cookie,
            Sec_Fetch_Site="same-origin",
            Content_Type="application/x-www-form-urlencoded",
        )
        assert (answer.status, answer.headers["Location"]) == (303, "/sign-in")
        assert web.ask("/look", Cookie=cookie).status == 401
        assert [event.kind for event in web.events] == ["in", "out"]


def test_the_cookie_is_for_this_service_alone(tmp_path):
    with served(tmp_path) as web:
        token = web.tokens.add("anna", "viewer")
        answer = web.ask("/sign-in", "POST", f"token={token}", Sec_Fetch_Site="same-origin")
        set_cookie = answer.headers["Set-Cookie"].lower()
        assert "httponly" in set_cookie
        assert "samesite=strict" in set_cookie
        assert "max-age=36000" in set_cookie
        assert token not in set_cookie


def test_an_administrator_alone_on_the_machine_gets_in_where_the_setting_says_so(tmp_path):
    with served(tmp_path, loopback_role="operator") as web:
        assert web.ask("/change").status == 200
        assert web.ask("/rule").status == 403
        # A proxy that nobody told the node of brings people from anywhere.
        for name in ("X_Forwarded_For", "Forwarded", "Via", "X_Real_IP", "X_Forwarded_Host"):
            assert web.ask("/change", **{name: "10.0.0.7"}).status == 401
            assert web.ask("/health", **{name: "10.0.0.7"}).status == 401


@pytest.mark.parametrize("goal", ["//evil.example", "/\\evil.example", "https://evil.example", ""])
def test_nobody_is_led_elsewhere_by_signing_in(tmp_path, goal):
    with served(tmp_path) as web:
        token = web.tokens.add("anna", "viewer")
        answer = web.ask(
            "/sign-in", "POST", f"token={token}&next={goal}", Sec_Fetch_Site="same-origin"
        )
        assert (answer.status, answer.headers["Location"]) == (303, "/")
