"""``dicomnode echo`` tells of each destination and source whether it answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.demo.stand_in_pacs import StandInPacs
from tests.dicomnode.retrieve.stand_in_source import DicomSourceStandIn, WebSourceStandIn, reply


def configuration(tmp_path: Path, destination: int | None = None, *sources: dict) -> Path:
    blocks = [f'[store]\npath = "{tmp_path / "store"}"\n']
    if destination is not None:
        blocks.append(
            '[[destinations]]\nname = "pacs"\nae_title = "STANDINPACS"\nhost = "127.0.0.1"\n'
            f"port = {destination}\nconnect_timeout_s = 2\n"
        )
    for source in sources:
        values = {"name": "ARCHIVE", "connect_timeout_s": 2, "response_timeout_s": 2} | source
        lines = (f"{k} = {v if isinstance(v, int) else repr(v)}" for k, v in values.items())
        blocks.append("[[sources]]\n" + "\n".join(lines) + "\n")
    path = tmp_path / "node.toml"
    path.write_text("\n".join(blocks))
    return path


def echo(path: Path, *arguments: str):
    result = CliRunner().invoke(app, ["echo", *arguments, "--config", str(path)])
    return result.exit_code, result.output + result.stderr


def test_a_destination_answers_or_does_not(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        port = pacs.port
        code, text = echo(configuration(tmp_path, port))
        assert code == 0
        assert f"destination pacs: STANDINPACS@127.0.0.1:{port}: 0x0000 success" in text
    code, text = echo(configuration(tmp_path, port), "pacs")
    assert code == 1
    assert "could not be reached" in text


@pytest.mark.parametrize("kind", ["c-get", "c-move"])
def test_a_dimse_source_says_what_it_accepts(tmp_path, kind):
    with DicomSourceStandIn([], verification=True) as source:
        settings = {"kind": kind} | source.settings
        code, text = echo(configuration(tmp_path, None, settings))
        assert code == 0
        address = f"source ARCHIVE: {kind} SOURCE@127.0.0.1:{settings['port']}"
        assert f"{address}: 0x0000 success; accepts C-FIND and {kind.upper()}" in text
    code, text = echo(configuration(tmp_path, None, settings))
    assert code == 1
    assert "could not be reached" in text


def test_a_dimse_source_without_c_echo_is_there_all_the_same(tmp_path):
    with DicomSourceStandIn([], find=False) as source:
        code, text = echo(configuration(tmp_path, None, {"kind": "c-get"} | source.settings))
    assert code == 0
    assert "accepts C-GET; it does not accept C-ECHO" in text


def test_a_source_that_only_stores_is_of_no_use(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        settings = {
            "kind": "c-move",
            "ae_title": pacs.AE_TITLE,
            "host": "127.0.0.1",
            "port": pacs.port,
        }
        code, text = echo(configuration(tmp_path, None, settings))
    assert code == 1
    assert "it does not accept C-MOVE" in text


def test_a_dicomweb_source_is_asked_for_one_study(tmp_path):
    with WebSourceStandIn([]) as source:
        settings = {"kind": "dicomweb"} | source.settings
        code, text = echo(configuration(tmp_path, None, settings))
        assert code == 0
        assert f"source ARCHIVE: dicomweb {source.settings['url']}: answers QIDO-RS" in text
        assert source.paths == ["/rs/studies?limit=1"]
        source.status = 403
        code, text = echo(configuration(tmp_path, None, settings))
        assert code == 1
        assert "HTTP 403" in text
    code, text = echo(configuration(tmp_path, None, settings))
    assert code == 1
    assert "could not be reached" in text


def test_a_page_is_no_answer_of_a_dicomweb_source(tmp_path):
    with WebSourceStandIn([]) as source:
        source.query = lambda handler: reply(handler, b"<html>log in</html>", "text/html")
        settings = {"kind": "dicomweb"} | source.settings
        code, text = echo(configuration(tmp_path, None, settings))
    assert code == 1
    assert "the answer cannot be used" in text


def test_no_password_of_a_url_is_shown(tmp_path):
    with WebSourceStandIn([]) as source:
        url = source.settings["url"].replace("http://", "http://somebody:secret@")
        code, text = echo(configuration(tmp_path, None, {"kind": "dicomweb", "url": url}))
    assert code == 0
    assert "secret" not in text


def test_all_are_asked_though_one_does_not_answer(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs, DicomSourceStandIn([], verification=True) as gone:
        port = pacs.port
        away = {"kind": "c-get"} | gone.settings
    with WebSourceStandIn([]) as source:
        web = {"name": "WEB", "kind": "dicomweb"} | source.settings
        path = configuration(tmp_path, port, away, web)
        code, text = echo(path)
        assert code == 1
        assert len(text.splitlines()) == 3
        assert "source WEB" in text
        code, text = echo(path, "WEB")
    assert code == 0
    assert text.startswith("source WEB: ")


def test_a_name_that_is_not_configured_is_refused_with_those_that_are(tmp_path):
    with WebSourceStandIn([]) as source:
        web = {"name": "WEB", "kind": "dicomweb"} | source.settings
        code, text = echo(configuration(tmp_path, 1, web), "nobody")
    assert code == 2
    assert "no destination or source is named 'nobody'; known are: pacs, WEB" in text
