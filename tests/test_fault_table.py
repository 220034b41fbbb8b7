"""Every test that the table of faults names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
_TABLE = "## Faults, and the tests that show they are survived"


def test_every_fault_has_tests_that_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text().split(_TABLE)[1].split("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    for row in rows:
        file, found = None, 0
        for name in re.findall(r"`(tests/[\w/.]+|test_\w+)`", row.split(" | ")[-1]):
            if name.startswith("tests/"):
                file = (ROOT / name).read_text()
                continue
            assert file is not None, row
            assert f"def {name}(" in file, name
            found += 1
        assert found, row
