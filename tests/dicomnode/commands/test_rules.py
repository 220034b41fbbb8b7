"""`dicomnode rules test` says which rule fires, and clause by clause why the others do not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicomnode.collect.collector import Collector
from dicomnode.commands import app
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import LesionState
from tests.dicomnode.jobs.rows import add_lesion
from tests.dicomnode.studies import save, study

CONFIGURATION = """
[store]
path = "{store}"
[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "pacs.example.org"
port = 104
[[rules]]
name = "thick"
destinations = ["pacs"]
when = {{ attribute = "ct.SliceThickness", range = [4, inf] }}
[[rules]]
name = "night"
destinations = ["pacs"]
dry_run = true
[rules.when]
all = [
  {{ attribute = "time", range = ["22:00", "06:00"] }},
  {{ not = {{ attribute = "calling_ae", equals = "CT1" }} }},
]
[[rules]]
name = "by report"
destinations = ["pacs"]
match = {{ modality = "CT" }}
when = {{ attribute = "mark.Modality", equals = "SR" }}
[[rules]]
name = "last"
destinations = ["pacs"]
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    (tmp_path / "store").mkdir()
    path.write_text(CONFIGURATION.format(store=tmp_path / "store"))
    return path


def run(configuration: Path, *arguments: object):
    given = ["rules", "test", *map(str, arguments), "--config", str(configuration)]
    return CliRunner().invoke(app, given, env={"COLUMNS": "200"})


def test_a_folder_is_told_clause_by_clause(configuration, tmp_path):
    made = study("folder", centres=[(10, 20, 20), (13, 42, 40)])
    made.report.PatientName = "SECRET^NAME"
    save([*made.ct, made.report], tmp_path / "in")
    result = run(configuration, tmp_path / "in", "--time", "12:00", "--calling-ae", "PACS")
    assert result.exit_code == 0, result.output
    assert f"object {made.report.SOPInstanceUID}, lesion(s) 1, 2, CT series" in result.output
    assert "was given the rule" not in result.output
    lines = [line.strip() for line in result.output.splitlines()]
    assert "fires: 'by report': occupancy, to pacs" in lines
    assert "'thick' does not fire" in lines
    assert "no        ct.SliceThickness from 4 to inf: found '2.0'" in lines
    assert "'night' does not fire" in lines
    assert "no        time from 22:00 to 06:00: found '12:00'" in lines
    assert "yes       mark.Modality equals 'SR': found 'SR'" in lines
    assert "'last' would fire, but 'by report' comes before it" in lines
    assert "SECRET" not in result.output


def test_what_is_assumed_decides(configuration, tmp_path):
    made = study("assumed")
    save([*made.ct, made.report], tmp_path / "in")

    def fires(*options: str) -> tuple[str, str]:
        (trial,) = json.loads(run(configuration, tmp_path / "in", "--json", *options).output)
        return trial["fires"], {rule["name"]: rule["verdict"] for rule in trial["rules"]}["night"]

    assert fires("--time", "23:00", "--calling-ae", "PACS") == ("night", "yes")
    assert fires("--time", "23:00", "--calling-ae", "CT1") == ("by report", "no")
    assert fires("--time", "23:00") == ("night", "not known")
    assert fires("--calling-ae", "CT1") == ("by report", "no")


def test_a_file_without_its_ct_leaves_the_ct_unknown(configuration, tmp_path):
    made = study("alone")
    save([made.report], tmp_path / "in")
    (file,) = (tmp_path / "in").iterdir()
    (trial,) = json.loads(run(configuration, file, "--json").output)
    assert trial["ct_series"] is None
    assert (trial["fires"], trial["rules"][0]["verdict"]) == ("thick", "not known")


def test_ct_alone_leaves_the_mark_unknown(configuration, tmp_path):
    save(study("ct alone").ct, tmp_path / "in")
    (trial,) = json.loads(run(configuration, tmp_path / "in", "--json").output)
    assert trial["mark_object"] is None
    assert [rule["verdict"] for rule in trial["rules"]] == ["no", "not known", "not known", "yes"]


def test_a_study_of_the_store_keeps_the_rules_that_it_was_given(configuration, tmp_path):
    made = study("stored")
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    database.upgrade()
    index = InstanceIndex(database, CT_CLASSES)
    save([*made.ct, made.report], tmp_path / "in")
    for finding in find_instances(tmp_path / "in"):
        index.add(finding.received)
    collect = CollectSettings(quiet_period_s=1e-6)
    Collector(database, None, collect, [Rule(name="earlier")], lambda: None).collect_all()
    database.close()
    uid = made.report.StudyInstanceUID
    result = run(configuration, uid, "--time", "12:00")
    assert result.exit_code == 0, result.output
    assert "was given the rule 'earlier' when it met its CT, and keeps it" in result.output
    assert "fires: 'by report'" in result.output


def test_a_study_under_no_rule_ends_with_1(configuration, tmp_path):
    made = study("none")
    save([*made.ct, made.report], tmp_path / "in")
    text = configuration.read_text()
    configuration.write_text(text[: text.index('[[rules]]\nname = "night"')])
    result = run(configuration, tmp_path / "in")
    assert result.exit_code == 1
    assert "no rule fires: the mark is refused" in result.output


@pytest.mark.parametrize(("what", "why"), [("nowhere/", "no such file"), ("1.2.3", "no CT")])
def test_what_is_not_there_is_said(configuration, tmp_path, what, why):
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    database.upgrade()
    database.close()
    result = run(configuration, what)
    assert result.exit_code == 2
    assert why in result.stderr


def test_jobs_says_that_a_lesion_was_only_tried(configuration, tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'store' / 'node.sqlite'}")
    database.upgrade()
    add_lesion(database, 1, LesionState.PUBLISHED, dry_run=True)
    database.close()
    result = CliRunner().invoke(
        app, ["jobs", "--config", str(configuration)], env={"COLUMNS": "200"}
    )
    assert "dry run, not sent to pacs, archive" in result.output
