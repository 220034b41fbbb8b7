"""The command sends everything, gives a sheet of one page, and turns ticks into a profile."""

from __future__ import annotations

import re

import pydicom
import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.settings import load_settings
from dicomnode.testcard.rows import rows


def run(*arguments: object):
    return CliRunner().invoke(app, ["testcard", *map(str, arguments)], env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def configuration(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    path = folder / "node.toml"
    path.write_text(
        f"""[store]
path = "{folder / "store"}"

[[destinations]]
name = "export folder"
kind = "folder"
path = "{folder / "export"}"

[[destinations]]
name = "other"
kind = "folder"
path = "{folder / "other"}"
"""
    )
    (folder / "export").mkdir()
    return path


@pytest.fixture(scope="module")
def sent(configuration):
    out = configuration.parent / "out"
    answer = run("export folder", "--config", configuration, "--out", out)
    assert answer.exit_code == 0, answer.output
    return answer.output, out


def test_every_object_arrives(configuration, sent):
    found = [pydicom.dcmread(path) for path in (configuration.parent / "export").rglob("*.dcm")]
    descriptions = {one.SeriesDescription for one in found}
    assert {f"{row.name} RESEARCH" for row in rows()} < descriptions
    assert "Test card CT" in descriptions
    assert {str(one.PatientID) for one in found} == {"TESTCARD"}
    assert sent[0].count(": accepted") == len(rows())


def test_the_sheet_is_one_page(sent):
    pdf = (sent[1] / "testcard-export_folder.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1


def test_answers_become_a_profile(configuration, sent, tmp_path):
    blank = sent[1] / "testcard-export_folder.toml"
    filled = tmp_path / "filled.toml"
    filled.write_text(blank.read_text().replace('"?"', "true").replace('""', '"Viewer 1"'))
    answer = run("export folder", "--answers", filled, "--config", configuration)
    assert answer.exit_code == 0, answer.output
    assert "Viewer 1" in answer.output
    profile = tmp_path / "node.toml"
    profile.write_text(answer.output)
    (found,) = load_settings(profile).destinations
    assert (found.name, found.kind) == ("export folder", "folder")
    assert "fractional-seg" in found.results
    assert found.references == "all"

    unfilled = run("export folder", "--answers", blank, "--config", configuration)
    assert unfilled.exit_code == 2
    assert "expected true or false" in unfilled.output
    another = run("other", "--answers", filled, "--config", configuration)
    assert another.exit_code == 2
    assert "found answers of 'export folder'" in another.output


def test_answers_that_may_be_filled_in_are_not_overwritten(configuration, sent):
    again = run("export folder", "--config", configuration, "--out", sent[1])
    assert again.exit_code == 2
    assert "is there already" in again.output


def test_a_destination_that_is_not_known_is_named(configuration):
    answer = run("nobody", "--config", configuration)
    assert answer.exit_code == 2
    assert "no destination is named 'nobody'" in answer.output


def test_a_destination_that_refuses_the_ct_gets_no_sheet(tmp_path):
    path = tmp_path / "node.toml"
    with StandInPacs(tmp_path / "pacs") as pacs:  # it takes segmentations only
        path.write_text(
            f"""[[destinations]]
name = "pacs"
ae_title = "{pacs.AE_TITLE}"
host = "127.0.0.1"
port = {pacs.port}
"""
        )
        answer = run("pacs", "--config", path, "--out", tmp_path / "out")
    assert answer.exit_code == 2
    assert "the CT of the test card was not accepted" in answer.output
    assert not (tmp_path / "out").exists()
