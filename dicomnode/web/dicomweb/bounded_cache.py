"""Values that are kept in memory while they are asked for, up to a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BoundedCache(Generic[Value]):
    """The values that were asked for last. Safe to use from several threads.

    Parameters
    ----------
    bound : int
        What all values may weigh together.
    weigh : callable, optional
        Weight of a value; each weighs 1 by default. One that weighs more than a quarter of the
        bound is not kept.
    """

    def __init__(self, bound: int, weigh: Callable[[Value], int] = lambda _: 1) -> None:
        self._bound = bound
        self._weigh = weigh
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not kept. What `make` raises passes through."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        weight = self._weigh(value)
        if weight <= max(1, self._bound // 4):
            with self._lock:
                if key not in self._values:
                    self._values[key] = value
                    self._weight += weight
                while self._weight > self._bound:
                    self._weight -= self._weigh(self._values.popitem(last=False)[1])
        return value
