"""A service that holds one small study."""

from __future__ import annotations

import pytest

from tests.dicomnode.studies import study
from tests.dicomnode.web.dicomweb.served import Served


@pytest.fixture(scope="session")
def made():
    """A study: CT and a report."""
    return study("dicomweb")


@pytest.fixture
def served(tmp_path, database, made):
    """A service that holds `made`."""
    with Served(tmp_path, database) as served:
        served.keep(*made.ct, made.report)
        yield served
