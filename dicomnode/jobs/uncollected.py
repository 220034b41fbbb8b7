"""Keeps Python's search for cyclic garbage out of short work on many small objects."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Search for no garbage within; usable as a decorator.

    A lesion's headers and objects are some hundred thousand Python objects that all live until the
    work ends. Each search looks at them all and finds none. What has no cycles is freed at once as
    ever.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
