"""Rules change as a whole or not at all, and who looks is told which are in force and why."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.routing import RulesInForce
from dicomnode.rule_reload import RuleReload, RulesStatus
from dicomnode.settings import load_settings

GOOD = """
[store]
path = "{store}"

[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "pacs.example.org"
port = 104

[profiles]
small = ["fractional-seg"]

[[rules]]
name = "first"
destinations = ["pacs"]
"""

OTHER = """
[[rules]]
name = "second"
destinations = ["pacs"]
profile = "small"
dry_run = true
[rules.when]
all = [{ attribute = "ct.SliceThickness", range = [0, inf] }]
"""


class Reloading:
    """A configuration file, and the rules of a node that was started with it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "node.toml"
        self.store = folder / "store"
        self.good = GOOD.format(store=self.store)
        self.path.write_text(self.good)
        settings = load_settings(self.path)
        self.rules = RulesInForce(settings.routes)
        self._reload = RuleReload(settings, self.rules)
        self._reload.started(self.path)

    def to(self, text: str) -> bool:
        self.path.write_text(text)
        return self._reload.reload(self.path)

    @property
    def names(self) -> list[str]:
        return [rule.name for rule in self.rules]

    @property
    def status(self) -> RulesStatus:
        return RulesStatus.read(self.store)

    def shown(self):
        answer = CliRunner().invoke(app, ["rules", "--config", str(self.path)])
        return answer.exit_code, answer.output


@pytest.fixture
def reloading(tmp_path) -> Reloading:
    return Reloading(tmp_path)


def test_right_rules_are_taken_with_their_profiles(reloading):
    assert reloading.to(reloading.good + OTHER)
    assert reloading.names == ["first", "second"]
    assert reloading.rules[1].results == ("fractional-seg",)
    code, said = reloading.shown()
    assert code == 0
    assert "2 rule(s) in force" in said
    assert "results fractional-seg, dry run: nothing is sent" in said


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("[[rules]]", "[[rules]", 14, "line 14"),
        ('name = "first"', 'name = "first"\nmethod = "magic"', 16, "no method 'magic'"),
        ('["pacs"]', '["pacs"]\nprofile = "large"', 17, "no profile 'large'; known are 'small'"),
        (
            '["pacs"]',
            '["pacs"]\nresults = ["big"]',
            17,
            "no result 'big'; known are fractional-seg",
        ),
        ('["pacs"]', '["pacs"]\nwhen = { attribute = "ct.Modallity" }', 17, "no operator"),
        ('["pacs"]', '["pacs"]\nwhen = { attribute = "ct.Roows", exists = true }', 17, "Roows"),
        ('["fractional-seg"]', "[]", 12, "names no result"),
        (
            "[profiles]",
            '[[destinations]]\nname = "new"\nkind = "folder"\npath = "/srv"\n[profiles]',
            None,
            None,
        ),
    ],
)
def test_wrong_rules_change_nothing_and_line_and_reason_are_said(
    reloading, caplog, before, after, line, reason
):
    text = reloading.good.replace(before, after)
    if reason is None:  # a destination that the running node does not have
        text = text.replace('["pacs"]', '["new"]')
        line, reason = 20, "which the running node does not have: restart it"
    with caplog.at_level(logging.INFO):
        assert not reloading.to(text)
    assert reloading.names == ["first"]
    (kept,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("rules.kept")]
    code, said = reloading.shown()
    assert code == 1
    assert "these rules stay" in said
    for told in (kept, said, reloading.status.problem):
        assert reason in told
        assert f"{reloading.path}:{line}:" in told or f"line {line}" in told
    assert reloading.to(reloading.good)
    assert reloading.status.problem is None
    assert reloading.shown()[0] == 0


def test_what_needs_a_restart_is_named_and_not_taken(reloading):
    assert reloading.to(reloading.good.replace("port = 104", "port = 105") + OTHER)
    assert reloading.names == ["first", "second"]
    assert reloading.status.restart_for == ("destinations",)
    assert "waiting for a restart: destinations" in reloading.shown()[1]


def test_a_file_that_has_changed_since_is_told_apart(reloading):
    reloading.path.write_text(reloading.good + OTHER)
    code, said = reloading.shown()
    assert code == 1
    assert "a reload takes them" in said


def test_who_took_the_rules_keeps_one_set(reloading):
    before = tuple(reloading.rules)
    iterator = iter(reloading.rules)
    reloading.to(reloading.good.replace('"first"', '"other"'))
    assert [rule.name for rule in iterator] == [rule.name for rule in before] == ["first"]
    assert reloading.names == ["other"]


def test_a_status_of_another_version_is_none(reloading):
    (reloading.store / "status" / "rules.json").write_text('{"colour": "red"}')
    assert reloading.status is None
    assert reloading.shown()[0] == 0
