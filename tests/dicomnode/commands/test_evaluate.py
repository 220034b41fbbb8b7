"""`dicomnode evaluate`: from a configuration to tables, and on after a stop."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from pipelines.evaluation import work
from pipelines.evaluation.cases import phantom_cases
from pipelines.evaluation.settings import load_evaluation_settings

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config" / "evaluate-smoke.toml"


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Times and memory need processes of their own: they have a test of their own.
    text = SHIPPED.read_text()
    (tmp_path / "smoke.toml").write_text(text[: text.index("[cost]")])
    return CliRunner()


def test_the_shipped_configurations_load():
    whole = load_evaluation_settings(ROOT / "config" / "evaluate.toml")
    assert whole.lidc.split == "validation"
    assert whole.phantoms.seed < 1000
    smoke = load_evaluation_settings(SHIPPED)
    assert (len(smoke.methods), smoke.phantoms.limit, smoke.lidc) == (2, 2, None)


def test_the_smoke_configuration_gives_tables_that_agree_and_goes_on_after_a_stop(
    runner, monkeypatch
):
    made = []
    real = work.score_phantom

    def interrupted(patch, method, networks):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(method)
        return real(patch, method, networks)

    monkeypatch.setattr(work, "score_phantom", interrupted)
    assert runner.invoke(app, ["evaluate", "smoke.toml"]).exit_code != 0
    folder = Path(tomllib.loads(SHIPPED.read_text())["folder"])
    assert not (folder / "evaluation.md").exists()
    assert len(list((folder / "scores").rglob("*.json"))) == 3

    def counted(patch, method, networks):
        made.append(method)
        return real(patch, method, networks)

    monkeypatch.setattr(work, "score_phantom", counted)
    result = runner.invoke(app, ["evaluate", "smoke.toml"])
    assert result.exit_code == 0, result.output
    assert len(made) == 4
    first = {name: (folder / name).read_bytes() for name in ("evaluation.md", "evaluation.json")}

    assert runner.invoke(app, ["evaluate", "smoke.toml"]).exit_code == 0
    assert len(made) == 4  # nothing is scored again
    assert first == {name: (folder / name).read_bytes() for name in first}

    text, numbers = first["evaluation.md"].decode(), json.loads(first["evaluation.json"])
    assert "Research software, not for diagnosis" in text
    assert numbers["notice"] == "Research software, not for diagnosis."
    (table,) = numbers["tables"].values()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row["name"] for row in table["rows"]] == ["occupancy", "closed-form"]
    for line, row in zip(rows, table["rows"], strict=True):
        told = [cell.strip(" *") for cell in line.split("|")[1:-1]]
        assert told[:3] == [f"`{row['name']}`", row["alpha is"], "2"]
        cells = [value for value in row.values() if isinstance(value, dict)]
        assert len(cells) == len(told) - 3
        for cell, printed in zip(cells, told[3:], strict=True):
            mean, low, high = (float(n) for n in re.findall(r"-?[\d.]+", printed))
            assert mean == pytest.approx(cell["mean"], abs=0.051)
            assert (low, high) == pytest.approx((cell["low"], cell["high"]), abs=0.051)
    for file in re.findall(r"\]\((.*?\.png)\)", text):
        assert (folder / file).is_file()


def test_processes_change_no_number(runner, tmp_path):
    (tmp_path / "two.toml").write_text("processes = 2\n" + (tmp_path / "smoke.toml").read_text())
    assert runner.invoke(app, ["evaluate", "two.toml"]).exit_code == 0
    settings = load_evaluation_settings(tmp_path / "two.toml")
    tasks = work.tasks_of(settings, settings.methods, phantom_cases(settings.phantoms), [])
    for task in tasks:
        (asked, _) = task.asked
        kept = work.kept_scores(settings.folder, task)[asked.method]
        assert kept == work.score_phantom(task.case.patch(), asked.method)


def test_what_is_wrong_is_told(runner, tmp_path):
    (tmp_path / "wrong.toml").write_text('folder = "f"\nprocesses = 0')
    result = runner.invoke(app, ["evaluate", "wrong.toml"])
    assert result.exit_code == 2
    assert "processes" in result.output


def test_data_that_are_not_there_are_told(runner, tmp_path):
    (tmp_path / "absent.toml").write_text('folder = "f"\n[lidc]\ndata = "absent"\ncache = "c"\n')
    result = runner.invoke(app, ["evaluate", "absent.toml"])
    assert result.exit_code == 2
    assert "absent" in result.output
