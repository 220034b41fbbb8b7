"""How long to wait before a delivery is repeated."""

from __future__ import annotations

import random
from collections.abc import Callable

from dicomnode.settings import RetrySettings


def wait_s(
    attempts: int, settings: RetrySettings, chance: Callable[[], float] = random.random
) -> float:
    """Seconds to wait after `attempts` failures (from 1): growing by the factor, up to the longest.

    Each wait is shortened by chance, by up to the part that `settings.jitter` says, so that what
    failed at the same moment is not all repeated at the same moment.

    Parameters
    ----------
    attempts : int
    settings : RetrySettings
    chance : callable
        Gives a number from 0 to 1, as `random.Random(seed).random` does.

    Raises
    ------
    ValueError
        If there was no attempt yet.
    """
    if attempts < 1:
        raise ValueError(f"attempts: found {attempts}, expected at least 1")
    # Past 64 doublings nothing fits a float; the longest wait is reached long before.
    grown = settings.first_wait_s * settings.factor ** min(attempts - 1, 64)
    return min(grown, settings.longest_wait_s) * (1 - settings.jitter * chance())
