"""Imports run dicomnode -> pipelines -> models, and no other way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "models": {"pipelines", "dicomnode"},
    "pipelines": {"dicomnode"},
    "dicomnode": {"tests", "benchmarks"},
}
"""Of each package, those that it must not import."""

GROUND_FLOOR = ROOT / "dicomnode" / "store"


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_downward_only(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        tops = {name.split(".")[0] for name in imported(path)}
        assert not tops & FORBIDDEN[package], path


def test_the_ground_floor_stands_on_nothing():
    for path in GROUND_FLOOR.rglob("*.py"):
        rooms = {n.split(".")[1] for n in imported(path) if n.startswith("dicomnode.")}
        assert rooms <= {"store"}, path


def test_nothing_is_evaluated():
    for package in FORBIDDEN:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id not in {"eval", "exec"}, path
