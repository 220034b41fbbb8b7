"""Compiles numeric kernels with Numba and keeps the machine code on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel at its first call, for one core and without the interpreter lock.

    Machine code is kept beside the source, or where the environment variable `NUMBA_CACHE_DIR`
    points; where neither can be written, each process compiles for itself. Sums may be reordered
    and products fused, but NaN and infinity keep their meaning.
    """
    options = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # Numba found no folder for its cache.
        return numba.njit(**options)(kernel)
