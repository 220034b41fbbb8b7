"""``dicomnode probe`` shows what a destination said, and keeps it where the node looks."""

from __future__ import annotations

import json
from pathlib import Path

from pydicom.uid import SegmentationStorage
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.deliver import capabilities
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.results.ladder import LADDER
from dicomnode.settings import load_settings
from dicomnode.store.database import Database


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "200"})


def configuration(tmp_path: Path, pacs_port: int) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(
        f"""
[store]
path = "{tmp_path / "store"}"

[[destinations]]
name = "pacs"
ae_title = "STANDINPACS"
host = "127.0.0.1"
port = {pacs_port}
connect_timeout_s = 2
results = ["fractional-seg"]

[[destinations]]
name = "drop"
kind = "folder"
path = "{tmp_path / "drop"}"
results = ["fractional-seg"]
"""
    )
    return path


def test_a_destination_is_shown_and_remembered(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "drop").mkdir()
    with StandInPacs(tmp_path / "pacs") as pacs:
        config = configuration(tmp_path, pacs.port)
        settings = load_settings(config)
        database = Database(settings.store.url)
        database.upgrade()
        shown = run("probe", "pacs", "--config", config)
        everything = run("probe", "--json", "--config", config)
        assert run("echo", "--config", config).exit_code == 0
    assert shown.exit_code == 0
    (line,) = [line for line in shown.output.splitlines() if "Segmentation Storage" in line][:1]
    assert line.split("│")[2].strip() == "yes"
    (from_pacs, from_folder) = json.loads(everything.output)
    assert from_pacs["remembered"] is True
    accepted = {o["sop_class_uid"] for o in from_pacs["offers"] if o["accepted"]}
    assert SegmentationStorage in accepted
    assert from_folder["words"] == "can be written to"
    # Of every rung, whether it is made for the destination, and why.
    made = {choice["result"]: choice for choice in from_pacs["results"]}
    assert set(made) == set(LADDER)
    assert [name for name, choice in made.items() if choice["made"]] == ["fractional-seg"]
    assert "is configured; it accepted Segmentation" in made["fractional-seg"]["why"]
    assert "is not configured" in made["report"]["why"]
    assert "did not accept Comprehensive 3D SR" in made["report"]["why"]
    (only,) = (choice for choice in from_folder["results"] if choice["made"])
    assert only["why"].endswith("a folder takes every object")
    assert "fractional-seg is configured" in shown.output
    listed = run("jobs", "--config", config)
    assert listed.exit_code == 0
    rows = [line for line in listed.output.splitlines() if "fractional-seg is" in line]
    assert len(rows) == 2
    assert "accepted Segmentation" in rows[0]
    assert "a folder takes every object" in rows[1]
    with database.read() as session:
        known = capabilities.accepts(
            session, settings.destination("pacs"), str(SegmentationStorage)
        )
    database.close()
    assert known.answer is True


def test_one_that_is_away_is_said_and_no_store_is_made(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        config = configuration(tmp_path, pacs.port)
    answer = run("probe", "--config", config)
    assert answer.exit_code == 1
    assert "could not be reached" in answer.output
    assert "no folder" in answer.output
    # Nothing is known of it, and so nothing is kept from it; that is said, too.
    assert "fractional-seg is configured; it was not probed yet" in answer.output
    assert not (tmp_path / "store").exists()
    assert run("probe", "nobody", "--config", config).exit_code == 2
