"""Compiles numeric kernels with Numba and keeps the machine code on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

_OPTIONS = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}, "error_model": "numpy"}


def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel at its first call, for one core and without the interpreter lock.

    Machine code is kept beside the source, or where the environment variable `NUMBA_CACHE_DIR`
    points; where neither can be written, each process compiles for itself. Sums may be reordered
    and products fused, but NaN and infinity keep their meaning. A kernel that other kernels call
    is `inlined`.
    """
    return _kept(kernel, _OPTIONS)


def inlined(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel that other kernels call, as part of each of them.

    A kernel that were merely called would be compiled twice, alone and within its caller, which may
    round differently. Which of the two runs would depend on whether the process had compiled
    them or had read them from disk, and so would the last digit of every result.
    """
    return _kept(kernel, _OPTIONS | {"forceinline": True})


def _kept(kernel: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    try:
        return numba.njit(cache=True, **options)(kernel)
    except RuntimeError:  # Numba found no folder for its cache.
        return numba.njit(**options)(kernel)
