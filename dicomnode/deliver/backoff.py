"""How long to wait before a delivery is repeated."""

from __future__ import annotations

from dicomnode.settings import RetrySettings


def wait_s(attempts: int, settings: RetrySettings) -> float:
    """Seconds to wait after `attempts` failures (from 1): growing by the factor, up to the longest.

    Raises
    ------
    ValueError
        If there was no attempt yet.
    """
    if attempts < 1:
        raise ValueError(f"attempts: found {attempts}, expected at least 1")
    # Past 64 doublings nothing fits a float; the longest wait is reached long before.
    grown = settings.first_wait_s * settings.factor ** min(attempts - 1, 64)
    return min(grown, settings.longest_wait_s)
