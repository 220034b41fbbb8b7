"""Wakes a running node when an administrator has changed rows from another process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from dicomnode.faults import describe_fault
from dicomnode.store.database import Database
from dicomnode.store.states import JobAction
from dicomnode.store.tables import JobTrace

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0


class HandWatch:
    """Looks for new traces, which is the one thing that is polled: the largest id of a table.

    A command and the node share nothing but the database, whichever database that is.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
    on_change : callable
        Given the lesions that were taken up again, when there are new traces of any kind.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        on_change: Callable[[Sequence[int]], None],
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._on_change = on_change
        self._seen = 0

    def start(self) -> None:
        """Begin. What was changed before is found by the services themselves, as they start."""
        self._seen = self._newest()
        self._scheduler.add_job(
            self.look, "interval", seconds=LOOK_EVERY_S, id="jobs:by-hand", replace_existing=True
        )

    def look(self) -> None:
        """Look once."""
        try:
            newest = self._newest()
            taken_up = self._taken_up() if newest != self._seen else None
        except SQLAlchemyError as error:  # it is away; those who work with it say so
            logger.debug("jobs.unseen %s", describe_fault(error))
            return
        if taken_up is not None:
            self._seen = newest
            logger.info("jobs.changed_by_hand trace=%d", newest)
            self._on_change(taken_up)

    def _newest(self) -> int:
        with self._database.read() as session:
            return session.scalar(select(func.max(JobTrace.id))) or 0

    def _taken_up(self) -> Sequence[int]:
        with self._database.read() as session:
            found = session.scalars(
                select(JobTrace.subject).where(
                    JobTrace.id > self._seen,
                    JobTrace.kind == "lesion",
                    JobTrace.action == JobAction.RETRY,
                )
            )
            return sorted({int(subject) for subject in found})
