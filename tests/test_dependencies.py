"""What the project stands on: bounded, as installed, and under licences that let it be given on.

Whether an installed version has a known weakness is not asked here, for that needs the network:
`make audit` does.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ASKED = {
    group: [Requirement(text) for text in found]
    for group, found in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items()
}
FREE = re.compile(
    r"0BSD|Apache|BSD|CC0|HPND|ISC|LLVM-exception|MIT|MPL-2|Mozilla Public License 2|PSF|"
    r"Python Software Foundation|Zlib|Unlicense",
    re.IGNORECASE,
)
OURS = {"dicomnode", "pipelines", "models", "benchmarks", "tests"}
BOUND = re.compile(r"<|<=|==|~=")


@pytest.mark.parametrize("group", ASKED)
def test_every_requirement_has_an_end(group):
    """So that a new major version comes by a commit that was tried, and not by a new install."""
    loose = [
        str(asked)
        for asked in ASKED[group]
        if canonicalize_name(asked.name) != PROJECT["name"]
        and not any(BOUND.fullmatch(one.operator) for one in asked.specifier)
    ]
    assert loose == []


def closure() -> dict[str, metadata.Distribution]:
    """All that a node needs, as it is installed here."""
    found: dict[str, metadata.Distribution] = {}
    waiting = [(asked.name, asked.extras) for asked in ASKED[""]]
    while waiting:
        name, extras = waiting.pop()
        key = canonicalize_name(name)
        if key in found:
            continue
        found[key] = metadata.distribution(name)
        for text in found[key].requires or ():
            asked = Requirement(text)
            if _is_wanted(asked, extras):
                waiting.append((asked.name, asked.extras))
    return found


def _is_wanted(asked: Requirement, extras: set[str]) -> bool:
    return asked.marker is None or any(
        asked.marker.evaluate({"extra": extra}) for extra in ("", *extras)
    )


def test_all_that_tests_import_comes_with_the_tests():
    """The README's second command installs `.[test]` and nothing else.

    Benchmarks are looked through too, for tests import them; only what is imported at the head of a
    file, without which the file could not be read.
    """
    asked = {asked.name for asked in ASKED[""] + ASKED["test"]}
    wanted = {canonicalize_name(name) for name in asked}
    given = metadata.packages_distributions()
    missing = set()
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]:
        if "node_modules" in path.parts:
            continue
        for name in _imported(ast.parse(path.read_text(encoding="utf-8"))) - OURS:
            if not wanted & {canonicalize_name(one) for one in given.get(name, ())}:
                missing.add((name, str(path.relative_to(ROOT))))
    assert missing == set()


def _imported(file: ast.Module) -> set[str]:
    """First names of the modules imported at its head."""
    found = set()
    for statement in file.body:
        if isinstance(statement, ast.Import):
            found |= {one.name.partition(".")[0] for one in statement.names}
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            found.add(statement.module.partition(".")[0])
    return found - set(sys.stdlib_module_names)


def test_what_is_installed_is_what_is_asked_for():
    installed = closure()
    wrong = []
    requirements = [("pyproject.toml", asked) for asked in ASKED[""]]
    requirements += [
        (name, Requirement(text)) for name, one in installed.items() for text in one.requires or ()
    ]
    for by, asked in requirements:
        if not _is_wanted(asked, set()):
            continue
        version = installed[canonicalize_name(asked.name)].version
        if not asked.specifier.contains(version, prereleases=True):
            wrong.append(f"{by} asks for {asked}, found {version}")
    assert wrong == []


def test_all_that_a_node_needs_may_be_given_on():
    unknown = {}
    for name, one in closure().items():
        said = one.metadata
        words = [said.get("License-Expression") or "", (said.get("License") or "")[:200]]
        words += [text for text in said.get_all("Classifier", []) if text.startswith("License")]
        if not any(FREE.search(text) for text in words) or "GPL" in " ".join(words):
            unknown[name] = words
    assert unknown == {}
