"""A token is read when it is used, from where systemd puts it, and is told to nobody else."""

from __future__ import annotations

import pytest
import requests

from dicomnode.settings import DicomWeb
from dicomnode.web_client import SecretUnreadable, web_client, words_of

SERVER = DicomWeb(url="https://pacs.example.org/dicom-web", token_file="pacs-token")


def asked(session: requests.Session) -> requests.PreparedRequest:
    return session.prepare_request(requests.Request("GET", str(SERVER.url)))


def test_a_token_comes_from_the_credentials_and_may_change(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with web_client(SERVER, 1, 1) as (_, session):
        for token in ("first", "second"):
            (tmp_path / "pacs-token").write_text(f"{token}\n")
            assert asked(session).headers["Authorization"] == f"Bearer {token}"
    assert "second" not in repr(SERVER)


def test_a_token_that_cannot_be_read_sends_nothing_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with (
        web_client(SERVER, 1, 1) as (_, session),
        pytest.raises(requests.RequestException) as unread,
    ):
        asked(session)
    assert isinstance(unread.value, SecretUnreadable)
    assert words_of(unread.value) == "the token_file cannot be read (FileNotFoundError)"
