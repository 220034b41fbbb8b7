"""Calls that happen because time has passed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

_AT_A_TIME = 1_000_000
"""APScheduler drops a call that is due while as many of its name run, and says so in its log only:
one that plans itself anew, for soon, would be lost."""


class CallScheduler(BackgroundScheduler):
    """Calls in threads of its own, and ends in order.

    APScheduler 3.11 holds its lock while it waits for the calls that run: one that plans another
    would wait for it for ever. And its thread ends by a fault where it is about to take a job off
    that it has just begun. Here nothing more is begun, and what runs is let end, before that.
    """

    def __init__(self) -> None:
        self._calls = ThreadPoolExecutor()
        super().__init__(timezone="UTC", executors={"default": self._calls})

    def shutdown(self, wait: bool = True) -> None:
        """Call nothing any more; cannot be started again.

        Parameters
        ----------
        wait : bool
            For the calls that run.
        """
        self.pause()
        self.remove_all_jobs()
        self._calls.shutdown(wait)
        super().shutdown(wait)


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
        max_instances=_AT_A_TIME,
    )
