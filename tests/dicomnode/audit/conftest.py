"""Certificates, and what all tests of the room wait with."""

from __future__ import annotations

import time

import pytest

from tests.dicomnode.tls.authorities import Authority


@pytest.fixture(scope="session")
def hospital(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("audit-certificates") / "hospital", "Hospital")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("audit-certificates") / "stranger", "Stranger")


@pytest.fixture(scope="session")
def collectors_certificate(hospital):
    return hospital.sign("collector", usage="serverAuth")


@pytest.fixture
def until():
    def wait(condition, what, patience_s=60.0):
        end = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {patience_s:g} s"
            time.sleep(0.02)

    return wait
