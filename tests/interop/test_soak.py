"""A small soak against Orthanc: kills lose nothing and double nothing."""

from __future__ import annotations

import pytest

from benchmarks.soaked.faults import Faults
from benchmarks.soaked.plot import plot
from benchmarks.soaked.run import Options, soak
from tests.interop.peers import need

pytestmark = pytest.mark.interop


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kinds", "parts", "seed"),
    [(("node", "writer"), False, 7), (Faults.PARTS, True, 0)],
    ids=["whole", "parts: the receiver first, while objects come"],
)
def test_kills_under_load_lose_nothing_and_double_nothing(tmp_path, kinds, parts, seed):
    need("Orthanc")
    options = Options(
        senders=4,
        instances=80,
        lesions=2,
        kills=len(kinds),
        kinds=kinds,
        parts=parts,
        seconds=500.0,
        pause_s=0.02,
        seed=seed,
    )
    report, course = soak(options, tmp_path)
    assert report["broken"] == []
    assert report["acknowledged"] == report["objects"] == 4 * 24 + 2
    assert sorted(fault.kind for fault in course.struck) == sorted(kinds)
    assert course.settled
    assert report["results_in_orthanc"] == sum(report["lesions"].values()) == 2
    assert report["repeats"] > 0
    plot(course.looks, course.struck, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
