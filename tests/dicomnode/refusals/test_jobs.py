"""``dicomnode jobs`` lists what is sent back, and says why something is not."""

from __future__ import annotations

from typer.testing import CliRunner

from dicomnode.commands import app
from tests.dicomnode.refusals.desk import spoil
from tests.dicomnode.studies import study


def test_jobs_lists_refusals_that_are_sent_back(desk, tmp_path):
    made = study("listed")
    desk.take(spoil(made.report, 0))
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\npath = "{tmp_path}"\ndatabase_url = "{desk.database.url}"\n')
    given = ["jobs", "--config", str(path)]
    output = CliRunner().invoke(app, given, env={"COLUMNS": "250"}).output
    assert made.report.SOPInstanceUID in output
    assert "1 refused under rule 'rule 0'" in output
    assert "pacs: queued" in output
    narrowed = CliRunner().invoke(app, [*given, "--state", "ready"], env={"COLUMNS": "250"})
    assert "refusals" not in narrowed.output
