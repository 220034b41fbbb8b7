"""The same input gives the same bytes, in a process that compiles and in one that reads."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import CodeType

from numba.core.dispatcher import Dispatcher

import pipelines

ROOT = Path(__file__).parents[2]

DEBLURRED = """
import hashlib
import numpy as np
from pipelines.matting.deblurring import deblur

draw = np.random.default_rng(1)
mix = draw.random((5, 19, 21), np.float32)
unknown = draw.random(mix.shape) < 0.5
noise = np.full_like(mix, 0.1)
alpha = deblur(
    mix, unknown, mix, noise, (2.0, 0.7, 0.7), psf_mm=0.6, smoothing=0.9, steps=20
)
print(hashlib.sha256(alpha.tobytes()).hexdigest())
"""


def kernels() -> list[Dispatcher]:
    for module in pkgutil.walk_packages(pipelines.__path__, "pipelines."):
        importlib.import_module(module.name)
    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("pipelines.")
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    }
    return list(found.values())


def names(code: CodeType) -> set[str]:
    inner = [names(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def test_a_kernel_that_others_call_is_inlined():
    called = {}
    for kernel in kernels():
        for name in names(kernel.py_func.__code__):
            other = kernel.py_func.__globals__.get(name)
            if isinstance(other, Dispatcher):
                called[f"{other.py_func.__module__}.{name}"] = other
    assert len(called) > 30
    apart = [name for name, kernel in called.items() if not kernel.targetoptions.get("forceinline")]
    assert apart == []


def test_a_process_that_compiles_gives_the_bytes_of_one_that_reads(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    compiles, reads = (
        subprocess.run(
            [sys.executable, "-c", DEBLURRED], env=environment, capture_output=True, text=True
        )
        for _ in range(2)
    )
    assert compiles.returncode == 0, compiles.stderr
    assert compiles.stdout == reads.stdout
    assert len(compiles.stdout) == 65
