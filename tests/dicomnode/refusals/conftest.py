"""A desk for each test."""

from __future__ import annotations

import pytest

from tests.dicomnode.refusals.desk import ASKING, Desk


@pytest.fixture
def desk(database, tmp_path):
    """A desk whose one rule sends refusals to ``pacs``."""
    return Desk(database, tmp_path, [ASKING])
