"""``dicomnode token``, and what the doctor says of who gets in."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.doctor.finding import Verdict
from dicomnode.doctor.web import look_at_web
from dicomnode.settings import NodeSettings
from dicomnode.web.access.tokens import TokenFile

RUN = CliRunner()


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\npath = "{tmp_path / "store"}"\n[web]\nport = 1\n')
    return path


def told(config, *words: str) -> tuple[int, str]:
    answer = RUN.invoke(app, ["token", *words, "--config", str(config)])
    return answer.exit_code, answer.output


def test_a_token_is_made_listed_and_revoked(config, tmp_path):
    code, output = told(config, "add", "anna", "--role", "viewer", "--days", "30")
    assert code == 0
    shown = output.strip()
    (token,) = TokenFile(tmp_path / "store" / "web-tokens").all()
    assert TokenFile(tmp_path / "store" / "web-tokens").check(shown) == token
    code, output = told(config, "list", "--json")
    (row,) = json.loads(output)
    assert (row["key"], row["name"], row["role"]) == (token.key, "anna", "viewer")
    assert row["ends_at"] - row["made_at"] == 30 * 86400
    for secret in (shown.rsplit("-", 1)[1], token.digest):
        assert secret not in output
    assert token.key in told(config, "list")[1]
    assert told(config, "revoke", token.key) == (0, f"{token.key} of anna (viewer) is revoked\n")
    assert told(config, "revoke", token.key)[0] == 2


@pytest.mark.parametrize("words", [("add", "anna", "--role", "root"), ("add", "a b", "--role",
                                   "viewer"), ("add", "anna"), ("revoke", "nobody")])  # fmt: skip
def test_what_makes_no_sense_is_refused(config, words):
    assert told(config, *words)[0] == 2
    assert json.loads(told(config, "list", "--json")[1]) == []


def of_doctor(tmp_path, **web) -> dict[str, Verdict]:
    settings = NodeSettings(store={"path": tmp_path / "store"}, web=web)
    return {found.check: found.verdict for found in look_at_web(settings)}


def test_the_doctor_sees_who_gets_in(tmp_path):
    file = TokenFile(tmp_path / "store" / "web-tokens")
    assert of_doctor(tmp_path) == {"web": Verdict.PASS}
    assert of_doctor(tmp_path, port=1) == {"web tokens": Verdict.WARN}
    alone = of_doctor(tmp_path, port=1, loopback_role="viewer")
    assert alone == {"web tokens": Verdict.PASS}
    file.add("anna", "viewer")
    assert of_doctor(tmp_path, port=1) == {"web tokens": Verdict.PASS}
    wide = of_doctor(tmp_path, port=1, loopback_role="administrator")
    assert wide == {"web": Verdict.WARN, "web tokens": Verdict.PASS}
    plain = of_doctor(tmp_path, port=1, host="0.0.0.0", plain_http=True)
    assert plain == {"web": Verdict.WARN, "web tokens": Verdict.PASS}
    file.path.chmod(0o644)
    assert of_doctor(tmp_path, port=1) == {"web tokens": Verdict.WARN}
    file.path.write_text("spoilt\n")
    assert of_doctor(tmp_path, port=1) == {"web tokens": Verdict.FAIL}


def test_the_doctor_sees_whether_the_proxy_can_be_told_from_others(tmp_path):
    secret = tmp_path / "secret"
    proxy = {"addresses": ["127.0.0.1"], "secret_file": secret, "viewer": ["radiology"]}

    def verdict() -> Verdict:
        return of_doctor(tmp_path, port=1, proxy=proxy)["web proxy"]

    assert verdict() is Verdict.FAIL
    secret.write_text("short")
    assert verdict() is Verdict.FAIL
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o640)
    assert verdict() is Verdict.PASS
    secret.chmod(0o644)
    assert verdict() is Verdict.WARN
    by_socket = of_doctor(tmp_path, socket=tmp_path / "web.sock", proxy={"viewer": ["radiology"]})
    assert by_socket["web proxy"] is Verdict.PASS
