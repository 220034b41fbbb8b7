"""The file of tokens: what it keeps, and what it does when it is not as it should be."""

from __future__ import annotations

import stat
import time

import pytest

from dicomnode.web.access.tokens import TokenFile, TokensError


def test_the_token_itself_is_nowhere(tmp_path):
    file = TokenFile(tmp_path / "tokens")
    shown = file.add("anna", "viewer")
    kept = file.path.read_text()
    assert shown not in kept
    assert shown.rsplit("-", 1)[1] not in kept
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    token = file.check(shown)
    assert (token.name, token.role, token.ends_at) == ("anna", "viewer", 0)
    assert file.remembered(shown) == token


@pytest.mark.parametrize(
    "spoil",
    [
        lambda shown: shown[:-1] + ("A" if shown[-1] != "A" else "B"),
        lambda shown: shown.replace("dicomnode-", "dicomnode-0", 1),
        lambda shown: shown + "\n",
        lambda shown: shown.upper(),
        lambda shown: "",
        lambda shown: "dicomnode-000000000000-" + shown.rsplit("-", 1)[1][:43],
        lambda shown: "\udcff" * 67,
    ],
)
def test_what_is_no_token_is_none(tmp_path, spoil):
    file = TokenFile(tmp_path / "tokens")
    shown = file.add("anna", "viewer")
    assert file.check(spoil(shown)) is None
    assert file.remembered(spoil(shown)) is None
    assert file.check(shown) is not None


def test_what_another_process_does_counts_at_once(tmp_path):
    """As `dicomnode token` beside a node that runs."""
    of_node, of_command = TokenFile(tmp_path / "tokens"), TokenFile(tmp_path / "tokens")
    shown = of_command.add("anna", "viewer")
    other = of_command.add("anna", "operator")
    assert of_node.check(shown) is not None
    assert of_node.check(other) is not None
    (key,) = [token.key for token in of_command.all() if token.role == "viewer"]
    assert len(of_command.revoke(key)) == 1
    assert of_node.remembered(shown) is None
    assert of_node.find(key) is None
    assert of_node.check(shown) is None
    assert of_node.check(other) is not None
    of_command.revoke("anna")
    assert of_node.check(other) is None


def test_a_token_ends_when_it_was_to(tmp_path, monkeypatch):
    file = TokenFile(tmp_path / "tokens")
    shown = file.add("anna", "viewer", days=2)
    assert file.check(shown) is not None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86400 + 1)
    assert file.check(shown) is None
    assert file.remembered(shown) is None


@pytest.mark.parametrize(
    "line",
    [
        "0123456789ab anna viewer 0 0 plain",
        "0123456789ab anna root 0 0 scrypt:14:8:1:00:00",
        "0123456789ab anna viewer 0 0 scrypt:30:8:1:00:00",
        "0123456789ab <b> viewer 0 0 scrypt:14:8:1:00:00",
        "\x00\xff",
    ],
)
def test_a_spoilt_file_lets_nobody_in_and_is_not_written_over(tmp_path, line, caplog):
    file = TokenFile(tmp_path / "tokens")
    shown = file.add("anna", "viewer")
    assert file.check(shown) is not None
    with file.path.open("a") as opened:
        opened.write(line + "\n")
    assert file.remembered(shown) is None
    assert file.check(shown) is None
    assert [r.message for r in caplog.records if "web.tokens_unread" in r.message] == [
        "web.tokens_unread reason=line 3 is no token of this software's"
    ]
    before = file.path.read_bytes()
    with pytest.raises(TokensError, match="line 3"):
        file.add("berta", "viewer")
    assert file.path.read_bytes() == before


@pytest.mark.parametrize(("name", "role"), [("", "viewer"), ("a b", "viewer"), ("a\n", "viewer"),
                                            ("anna", "root"), ("ä", "viewer")])  # fmt: skip
def test_a_name_that_would_spoil_the_file_is_refused(tmp_path, name, role):
    file = TokenFile(tmp_path / "tokens")
    with pytest.raises(TokensError):
        file.add(name, role)
    assert not file.path.exists()
