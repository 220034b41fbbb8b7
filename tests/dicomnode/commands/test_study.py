"""``dicomnode study``, from a file to exported answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.peers.lesion_store import lesion_store
from dicomnode.audit.told import newest_records
from dicomnode.commands import app
from dicomnode.reader_study.answering import Asked, answer
from dicomnode.reader_study.taking_part import begin, presentation_for, seen
from dicomnode.settings import load_settings
from dicomnode.store.database import Database
from dicomnode.web.access.tokens import TokenFile, tokens_path
from tests.dicomnode.reader_study.small import CANDIDATES, small_study

RUNNER = CliRunner()


@pytest.fixture
def files(tmp_path) -> Path:
    """Images of two eggs, a study's file, and a configuration whose store is not there."""
    small_study(tmp_path, cases=2).database.close()
    folder = tmp_path / "files"
    (tmp_path / "node.toml").write_text(f'[store]\npath = "{tmp_path / "fresh"}"\n')
    lines = ['name = "eggs"', 'title = "Eggs"', 'display = "alpha"', "seed = 3"]
    for candidate in CANDIDATES:
        lines += ["[[candidates]]", *(f"{k} = {json.dumps(v)}" for k, v in candidate.items())]
    for number in (1, 2):
        masks = [f"egg-{number}-reader-{reader}.nii.gz" for reader in (1, 2, 3)]
        lines += ["[[cases]]", f'ct = "egg-{number}.nii.gz"', f"masks = {json.dumps(masks)}"]
    (folder / "study.toml").write_text("\n".join(lines))
    return tmp_path


def run(folder: Path, *words: str, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["study", *words, "--config", str(folder / "node.toml")])
    assert result.exit_code == code, result.output
    return result.output


def take_part(folder: Path, reader: str) -> None:
    database = Database(load_settings(folder / "node.toml").store.url)
    begin(database, 1, reader)
    for number in (1, 2):
        with database.read() as session:
            shown = presentation_for(session, 1, reader, number)
        seen(database, shown.id)
        letter = "ABCD"[shown.shown_order.index(3)]
        answer(database, 1, reader, number, Asked(letter, seconds=5.0))
    database.close()


def test_a_study_from_files_to_exported_answers(files):
    file = str(files / "files" / "study.toml")
    assert "2 cases; readers find it at /reader-studies/1" in run(files, "new", file)
    assert "already" in run(files, "new", file, code=2)
    for reader in ("anna", "ben"):
        take_part(files, reader)
    listed = json.loads(run(files, "list", "--json"))
    assert [one["answered"] for one in listed[0]["readers"]] == [2, 2]
    assert "open" in run(files, "list")
    shown = json.loads(run(files, "show", "eggs"))
    assert shown["cases"][0]["candidates"][3]["from"] == "file"
    assert "is open: close it first" in run(files, "results", "eggs", code=2)
    assert "interim: the study is open" in run(files, "results", "eggs", "--interim")
    assert "is open" in run(files, "export", "eggs", "-o", str(files / "out"), code=2)
    assert "closed" in run(files, "close", "eggs", "--yes")
    told = run(files, "results", "eggs")
    assert "Preference of all readers" in told
    assert "100 %" in told
    figures = json.loads(run(files, "results", "eggs", "--json"))["results"]
    assert figures["preferences"][0]["rows"][3]["chosen"]["count"] == 4
    run(files, "export", "eggs", "-o", str(files / "out"))
    with open(files / "out" / "eggs-answers.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    assert {row["chosen_name"] for row in rows} == {"matte"}
    assert json.loads((files / "out" / "eggs-results.json").read_text())["study"] == "eggs"
    assert "deleted" in run(files, "delete", "eggs", "--yes")
    assert "found no reader study" in run(files, "show", "eggs", code=2)
    assert not list((files / "fresh").glob("reader_studies/*"))


def test_a_file_that_cannot_be_used_makes_nothing(files):
    file = files / "files" / "study.toml"
    file.write_text(file.read_text().replace('"alpha"', '"hologram"'))
    assert "display" in run(files, "new", str(file), code=2)
    assert not (files / "fresh").exists()


def test_the_demonstration_has_a_study_two_readers_and_an_operator(tmp_path):
    folder = tmp_path / "demo"
    words = ["study", "demo", "-o", str(folder), "--cases", "2", "--no-serve"]
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "serve --only web" in result.output
    settings = load_settings(folder / "node.toml")
    tokens = TokenFile(tokens_path(settings.web, settings.store.path)).all()
    assert {one.role for one in tokens} == {"viewer", "operator"}
    assert "demo" in run(folder, "list")
    assert RUNNER.invoke(app, words).exit_code == 2


def test_whose_images_are_kept_with_a_study_is_audited(tmp_path):
    lesion_store(tmp_path).database.close()
    (tmp_path / "node.toml").write_text(f'[store]\npath = "{tmp_path}"\n')
    (tmp_path / "study.toml").write_text(
        'name = "lesions"\ntitle = "Lesions"\ndisplay = "alpha"\nseed = 1\n'
        '[[candidates]]\nname = "matte"\norigin = "computer"\nfrom = "node"\n'
        '[[candidates]]\nname = "hard"\norigin = "computer"\nfrom = "node"\nthreshold = 0.5\n'
        "[[cases]]\nlesion = 1\n[[cases]]\nlesion = 7\n"
    )
    told = run(tmp_path, "new", str(tmp_path / "study.toml"))
    assert "left out: lesion-7: found no lesion 7" in told
    assert "1 cases" in told
    (record,) = newest_records(tmp_path / "audit", 10, "", 0.0)
    assert "DICOM Instances Accessed" in record.xml
