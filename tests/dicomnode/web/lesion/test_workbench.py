"""The page's own worker is ready before somebody asks, and never in the way of who does."""

from __future__ import annotations

import pytest

from benchmarks.peers.lesion_store import lesion_store
from dicomnode.web.lesion.workbench import Workbench
from pipelines.matting import METHODS

READY_WITHIN_S = 240


@pytest.fixture
def workbench():
    made = Workbench()
    yield made
    made.stop()


@pytest.mark.timeout(300)
def test_it_gets_ready_once_and_lets_who_asks_go_first(workbench, tmp_path):
    store = lesion_store(tmp_path)
    mask = store.mask
    crop = store.volume[
        tuple(slice(o, o + n) for o, n in zip(mask.offset, mask.alpha.spatial_shape, strict=True))
    ]
    ended: list[str] = []
    ready = workbench.warm_up()
    ready.add_done_callback(lambda _: ended.append("ready"))
    assert workbench.warm_up() is ready
    made = workbench.mend(crop, mask.trimap.array, mask)
    ended.append("mended")
    assert made.alpha.array[mask.trimap.array == 2].min() == 1
    ready.result(READY_WITHIN_S)
    assert ended == ["mended", "ready"]
    assert len(METHODS) > 2
    store.database.close()


def test_stopping_ends_the_getting_ready(workbench):
    ready = workbench.warm_up()
    workbench.stop()
    ready.result(READY_WITHIN_S)
