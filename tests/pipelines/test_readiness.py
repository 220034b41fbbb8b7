"""What is compiled before the first lesion."""

from __future__ import annotations

import pytest

from pipelines import readiness
from pipelines.networks import ghost_on_cpu


@pytest.mark.parametrize(
    ("methods", "expected"), [((), 0), (("closed-form", "3dmm"), 0), (("3dmm-mg",), 1)]
)
def test_ghost_kernels_are_compiled_where_a_method_uses_them(methods, expected, monkeypatch):
    runs = []
    monkeypatch.setattr(readiness, "soft_mask_from_recist", lambda *_, **__: None)
    run = ghost_on_cpu.alpha_on_cpu
    monkeypatch.setattr(
        ghost_on_cpu, "alpha_on_cpu", lambda *given: runs.append(given) or run(*given)
    )
    readiness.compile_kernels(methods)
    assert len(runs) == expected
