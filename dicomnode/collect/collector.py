"""The collecting service: wakes when instances arrive, and makes lesions ready."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import and_, or_, select, update

from dicomnode.collect.examine import examine_received
from dicomnode.collect.join import Joined, Refused, Waiting, join
from dicomnode.faults import describe_fault
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion

logger = logging.getLogger(__name__)

_GATHER_S = 0.1
"""Pause between two passes, so that a stream of slices is looked at in batches."""

_JOINABLE = or_(
    Lesion.state == LesionState.WAITING,
    and_(Lesion.state == LesionState.REFUSED, Lesion.rule.is_(None)),
)
"""Lesions that have not been joined to their slices; a rule is noted when they are."""


class Collector:
    """Examines new objects and joins waiting lesions to their slices.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the collector when a series that is still short of slices falls quiet.
    settings : CollectSettings
    rules : sequence of Rule
    on_ready : callable
        Called, without arguments, when lesions have become ready.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        settings: CollectSettings,
        rules: Sequence[Rule],
        on_ready: Callable[[], None],
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._settings = settings
        self._rules = rules
        self._on_ready = on_ready
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._arrived: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="collector", daemon=True)

    def start(self) -> None:
        """Resume: look at everything that waits, then at what arrives."""
        self._scheduler.add_job(
            self.expire, "interval", minutes=10, id="collect:expire", replace_existing=True
        )
        self.collect_all()
        self._thread.start()

    def stop(self) -> None:
        """Finish the pass that runs and stop."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def notify(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once."""
        header = received.header
        with self._lock:
            self._arrived.update(
                uid
                for uid in (
                    header.sop_instance_uid,
                    header.series_instance_uid,
                    header.frame_of_reference_uid,
                )
                if uid
            )
        self._wake.set()

    def collect_all(self) -> None:
        """Examine what was not examined, and look at every waiting lesion."""
        examine_received(self._database)
        with self._database.read() as session:
            waiting = session.scalars(
                select(Lesion.id).where(Lesion.state == LesionState.WAITING)
            ).all()
        self._join(waiting)

    def expire(self) -> None:
        """Refuse lesions that have waited longer than patience lasts."""
        hours = self._settings.patience_h
        with self._database.write() as session:
            expired = session.execute(
                update(Lesion)
                .where(
                    Lesion.state == LesionState.WAITING,
                    Lesion.created_at < time.time() - hours * 3600,
                )
                .values(
                    state=LesionState.REFUSED,
                    reason=f"waited {hours:g} h: " + Lesion.reason,
                )
            )
        if expired.rowcount:
            logger.warning("lesion.expired count=%d", expired.rowcount)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._stopping.is_set():
                return
            self._wake.clear()
            try:
                self._collect_arrived()
            except Exception as error:
                logger.error("collect.failed %s", describe_fault(error))
                # Nothing is lost: rows still say what is to be done. Try again, not at once.
                self._call_at(time.time() + 5, "collect:again", self.collect_all)
            self._stopping.wait(_GATHER_S)

    def _collect_arrived(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, set()
        lesions = set(examine_received(self._database))
        lesions.update(self._waiting_for(arrived))
        self._join(sorted(lesions))

    def _waiting_for(self, arrived: set[str]) -> Iterable[int]:
        """Ids of lesions that the arrived slices, series or frames of reference touch.

        Those that wait, and those that were refused without having been joined: what was wrong
        with a series can be mended by the rest of it.
        """
        with self._database.read() as session:
            rows = session.execute(
                select(
                    Lesion.id,
                    Lesion.key_sop_instance_uid,
                    Lesion.series_instance_uid,
                    Lesion.frame_of_reference_uid,
                ).where(_JOINABLE)
            ).all()
        return [lesion_id for lesion_id, *uids in rows if arrived.intersection(uids)]

    def _join(self, lesion_ids: Iterable[int]) -> None:
        ready = 0
        for lesion_id in lesion_ids:
            with self._database.read() as session:
                lesion = session.get_one(Lesion, lesion_id)
                decision = join(session, lesion, self._rules, self._settings.quiet_period_s)
            self._record(lesion_id, decision)
            ready += isinstance(decision, Joined)
        if ready:
            self._on_ready()

    def _record(self, lesion_id: int, decision: Joined | Waiting | Refused) -> None:
        values: dict[str, object] = {}
        if decision.key is not None:
            values = {
                "key_sop_instance_uid": decision.key.sop_instance_uid,
                "study_instance_uid": decision.key.study_instance_uid,
                "series_instance_uid": decision.key.series_instance_uid,
            }
        match decision:
            case Joined():
                axes = decision.axes
                values |= {
                    "state": LesionState.READY,
                    "reason": None,
                    "slices": list(decision.slices),
                    "long_axis": axes.long_axis.tolist(),
                    "short_axis": None if axes.short_axis is None else axes.short_axis.tolist(),
                    "rule": decision.rule.name,
                    "method": decision.rule.method,
                    "parameters": dict(decision.rule.parameters),
                    "destinations": list(decision.rule.destinations),
                    "warnings": list(decision.warnings),
                }
                logger.info("lesion.ready lesion=%d slices=%d", lesion_id, len(decision.slices))
            case Waiting():
                values |= {"state": LesionState.WAITING, "reason": decision.reason}
                logger.info("lesion.waiting lesion=%d reason=%s", lesion_id, decision.reason)
            case Refused():
                values |= {"state": LesionState.REFUSED, "reason": decision.reason}
                logger.warning("lesion.refused lesion=%d", lesion_id)
        with self._database.write() as session:
            session.execute(
                update(Lesion)
                .where(
                    Lesion.id == lesion_id,
                    _JOINABLE,
                )
                .values(values)
            )
        if isinstance(decision, Waiting) and decision.settles_at is not None:
            self._call_at(
                decision.settles_at + 0.01, f"collect:quiet:{lesion_id}", self._settle, lesion_id
            )

    def _settle(self, lesion_id: int) -> None:
        """The quiet period of a lesion's series is over."""
        with self._database.read() as session:
            state = session.get_one(Lesion, lesion_id).state
        if state is LesionState.WAITING:
            self._join([lesion_id])

    def _call_at(self, moment: float, name: str, call: Callable[..., None], *given: int) -> None:
        self._scheduler.add_job(
            call,
            "date",
            run_date=datetime.fromtimestamp(moment, UTC),
            args=given,
            id=name,
            replace_existing=True,
            misfire_grace_time=None,
        )
