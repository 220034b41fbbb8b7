"""systemd takes the units, and finds them as little exposed as the operator's guide says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.interop.peers import missing, need

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.service"))
SYSTEM = Path("/usr/lib/systemd/system")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    need("systemd-analyze")
    if not (SYSTEM / "sysinit.target").exists():
        missing(f"{SYSTEM} has no units of systemd")
    shutil.copytree(SYSTEM, tmp_path / SYSTEM.relative_to("/"), symlinks=True)
    installed = tmp_path / "etc" / "systemd" / "system"
    installed.mkdir(parents=True)
    for program in ("opt/dicomnode/bin/dicomnode", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    names = [path.name for path in (*UNITS, ROOT / "systemd" / "dicomnode.target")]
    for name in names:
        shutil.copy(ROOT / "systemd" / name, installed)
    found = run("systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", *names)
    said = [line for line in (found.stdout + found.stderr).splitlines() if "dicomnode" in line]
    assert said == []
    assert found.returncode == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_as_little_exposed_as_the_guide_says(unit):
    need("systemd-analyze")
    found = run("systemd-analyze", "security", "--offline=true", unit)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (told,) = re.findall(rf"\| `{re.escape(unit.name)}` \| ([0-9.]+) \|", guide)
    assert exposure == told
    assert float(exposure) <= 1.1


def test_units_run_the_parts_that_they_are_named_for():
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
        role = unit.stem.removeprefix("dicomnode").removeprefix("-")
        assert (f"--only {role} " in command) if role else ("--only" not in command)
        # The whole and its parts exclude one another.
        (excluded,) = re.findall(r"^Conflicts=(.+)$", text, re.MULTILINE)
        assert ("dicomnode.service" in excluded) is bool(role)


def test_only_the_units_that_compute_may_write_what_they_run():
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        expected = "yes" if unit.stem == "dicomnode-receiver" else "no"
        assert re.findall(r"^MemoryDenyWriteExecute=(.+)$", text, re.MULTILINE) == [expected]


def test_units_leave_folders_as_private_as_they_were_made():
    """systemd sets a folder's mode at each start, and complains of another one of /etc."""
    made = (ROOT / "systemd" / "dicomnode.tmpfiles").read_text(encoding="utf-8")
    folders = {"State": "/var/lib", "Cache": "/var/cache", "Configuration": "/etc"}
    modes = dict(re.findall(r"^d (\S+) (\d+) ", made, re.MULTILINE))
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        for key, folder in folders.items():
            assert f"{key}DirectoryMode={modes[f'{folder}/dicomnode']}" in text


def test_the_script_that_follows_the_guide_finds_what_it_types():
    script = ROOT / "systemd" / "try_guide.sh"
    assert run("bash", "-n", script).returncode == 0
    guide = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", guide, re.MULTILINE | re.DOTALL))
    asked = re.findall(r'(?:typed|blocks) (?:"([^"$]+)"|([A-Z]\w+)) (\d)', script.read_text())
    assert len(asked) >= 7
    for quoted, word, number in asked:
        blocks = re.findall(r"^```$.*?^```$", sections[quoted or word], re.MULTILINE | re.DOTALL)
        assert len(blocks) >= int(number)
