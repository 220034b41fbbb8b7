"""The benchmark of batched matting runs without a GPU and checks what it times."""

import pytest

pytest.importorskip("torch")

from benchmarks.gpu_matting import measure


def test_a_small_run_on_the_cpu():
    found = measure(crops=2, distinct=2, device="cpu", rounds=1, compile_step=False)
    assert found["greatest difference of alpha"] < 3e-4
    assert found["unknown voxels"] > 100
    assert len(found["crops per second"]) == 4
    assert all(rate > 0 for rate in found["crops per second"].values())
