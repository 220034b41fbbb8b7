"""Fixtures of the receiving room's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dicomnode.receive.loopback import Node


@pytest.fixture
def node(tmp_path: Path):
    """Give a node that is not listening yet."""
    node = Node(tmp_path / "store")
    yield node
    node.close()
