"""The catalogue of events is what the code logs, and the page is the catalogue."""

from __future__ import annotations

import ast
import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from dicomnode.events.catalogue import CATALOGUE, GROUPS, page
from dicomnode.events.reading import fields_of, pattern_of, read_event
from dicomnode.events.serving import LIBRARY

ROOT = Path(__file__).parents[3]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


@dataclass(frozen=True)
class Call:
    where: str
    template: str
    level: str

    @property
    def fields(self) -> set[str]:
        return set(fields_of(self.template))

    def may_log(self, name: str) -> bool:
        event = CATALOGUE[name]
        named = pattern_of(self.template).fullmatch(name)
        level = self.level == "LOG" or self.level in event.levels.split()
        return bool(named) and level and self.fields <= set(event.fields.split())


def calls() -> list[Call]:
    found = []
    for package in ("dicomnode", "pipelines", "models"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                owner = node.func.value
                if not (isinstance(owner, ast.Name) and owner.id == "logger"):
                    continue
                assert node.func.attr in LEVELS, f"{path}:{node.lineno}"
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                template = node.args[1 if node.func.attr == "log" else 0]
                assert isinstance(template, ast.Constant), f"{where}: a message that is no constant"
                found.append(Call(where, template.value, node.func.attr.upper()))
    return found


CALLS = calls()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_what_is_logged_is_in_the_catalogue(call):
    assert any(call.may_log(name) for name in CATALOGUE), (
        f"{call.where}: no event of dicomnode/events has the name, level and fields of "
        f"{call.template!r} ({call.level}, {sorted(call.fields)})"
    )


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != LIBRARY.name])
def test_what_is_in_the_catalogue_is_logged_with_these_fields(name):
    logging_it = [call for call in CALLS if call.may_log(name)]
    assert logging_it, f"nothing logs {name}"
    assert set().union(*(call.fields for call in logging_it)) == set(CATALOGUE[name].fields.split())


def test_names_are_given_once():
    assert len(CATALOGUE) == sum(map(len, GROUPS.values()))


def test_the_page_is_the_catalogue():
    written = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
    assert written == page(), "dicomnode events > docs/events.md"


@pytest.mark.parametrize(
    ("template", "given", "name", "fields"),
    [
        ("node.stopped", (), "node.stopped", {}),
        ("lesion.waiting lesion=%d reason=%s", (3, "a b = c"), "lesion.waiting",
         {"lesion": 3, "reason": "a b = c"}),
        ("delivery.%s status=%s", ("sent", None), "delivery.sent", {"status": None}),
        ("a.b status=0x%04X seconds=%.2f", (0xA7, 1.25), "a.b",
         {"status": "0x00A7", "seconds": 1.25}),
        ("a.b lesions=%s %s", ([1, 2], "KeyError in f"), "a.b",
         {"lesions": [1, 2], "detail": "KeyError in f"}),
        ("a.b device=%s too small %s", ("cpu", ""), "a.b",
         {"device": "cpu", "detail": "too small"}),
    ],
)  # fmt: skip
def test_a_record_is_read_back_as_an_event(template, given, name, fields):
    record = logging.LogRecord("dicomnode.x", logging.INFO, "x.py", 1, template, given, None)
    event = read_event(record)
    assert (event.name, event.fields) == (name, fields)
    assert set(fields) == set(fields_of(template))
