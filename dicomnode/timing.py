"""Calls that happen because time has passed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.base import BaseScheduler


def call_at(
    scheduler: BaseScheduler, moment: float, name: str, call: Callable[..., None], *given: object
) -> None:
    """Call once at a moment; a call that is already planned under the name is replaced.

    Parameters
    ----------
    scheduler : apscheduler scheduler
    moment : float
        Seconds since 1970; one that has passed means now.
    name : str
    call : callable
    *given
        Its arguments.
    """
    scheduler.add_job(
        call,
        "date",
        run_date=datetime.fromtimestamp(moment, UTC),
        args=given,
        id=name,
        replace_existing=True,
        misfire_grace_time=None,
    )
