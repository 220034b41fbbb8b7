"""The collecting service: wakes when instances arrive, and makes lesions ready."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dicomnode.collect.examine import examine_received
from dicomnode.collect.join import Joined, Refused, SeriesOfPass, Superseded, Waiting, join
from dicomnode.collect.supersede import supersede
from dicomnode.faults import describe_fault
from dicomnode.marks.serialised import to_json
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from dicomnode.timing import call_at
from dicomnode.woken_thread import WokenThread

logger = logging.getLogger(__name__)

_GATHER_S = 0.1
"""Pause between two passes, so that a stream of slices is looked at in batches."""

_PAUSE_AFTER_FAULT_S = 5.0


class Collector:
    """Examines new objects and joins waiting lesions to their slices.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
        Wakes the collector when a series that is still short of slices falls quiet.
    settings : CollectSettings
    rules : sequence of Rule
    on_work : callable
        Called, without arguments, when lesions may have become ready or deliveries due.
    on_waiting : callable
        Called, without arguments, when lesions may have begun to wait, or wait for something else.
    may_be_fetched : callable
        Given a session, a lesion and a Series Instance UID: whether a source is still to be asked
        for slices. `revisit` tells that it was.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        settings: CollectSettings,
        rules: Sequence[Rule],
        on_work: Callable[[], None],
        on_waiting: Callable[[], None] = lambda: None,
        may_be_fetched: Callable[[Session, Lesion, str], bool] = lambda *_: False,
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._settings = settings
        self._rules = rules
        self._on_work = on_work
        self._on_waiting = on_waiting
        self._may_be_fetched = may_be_fetched
        self._lock = threading.Lock()
        self._arrived: set[str] = set()
        self._look_at_all = False
        self._thread = WokenThread("collector", self._collect_arrived, self._recover, _GATHER_S)

    def start(self) -> None:
        """Resume: look at everything that waits, then at what arrives."""
        self._scheduler.add_job(
            self.expire, "interval", minutes=10, id="collect:expire", replace_existing=True
        )
        self.collect_all()
        self._thread.start()

    def stop(self) -> None:
        """Finish the pass that runs and stop."""
        self._thread.stop()

    def notify(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once."""
        header = received.header
        self.revisit(
            header.sop_instance_uid, header.series_instance_uid, header.frame_of_reference_uid
        )

    def revisit(self, *uids: str | None) -> None:
        """Say that something is new about what these UIDs name. Returns at once."""
        with self._lock:
            self._arrived.update(uid for uid in uids if uid)
        self._thread.wake()

    def collect_all(self) -> None:
        """Examine what was not examined, and look at every waiting lesion."""
        self._examine()
        with self._database.read() as session:
            waiting = session.scalars(
                select(Lesion.id).where(Lesion.state == LesionState.WAITING)
            ).all()
        self._join(waiting)
        self._on_waiting()

    def expire(self) -> None:
        """Refuse lesions that have waited longer than patience lasts."""
        hours = self._settings.patience_h
        with self._database.write() as session:
            expired = session.execute(
                update(Lesion)
                .where(
                    Lesion.state == LesionState.WAITING,
                    Lesion.waiting_since < time.time() - hours * 3600,
                )
                .values(
                    state=LesionState.REFUSED,
                    reason=f"waited {hours:g} h: " + Lesion.reason,
                )
            )
        if expired.rowcount:
            logger.warning("lesion.expired count=%d", expired.rowcount)

    def _recover(self, error: Exception) -> None:
        """Nothing is lost: rows still say what is to be done. Try again, not at once."""
        logger.error("collect.failed %s", describe_fault(error))
        self._look_at_all = True
        moment = time.time() + _PAUSE_AFTER_FAULT_S
        call_at(self._scheduler, moment, "collect:again", self._thread.wake)

    def _collect_arrived(self) -> None:
        if self._look_at_all:
            self.collect_all()
            self._look_at_all = False
        with self._lock:
            arrived, self._arrived = self._arrived, set()
        lesions = set(self._examine())
        lesions.update(self._waiting_for(arrived))
        self._join(sorted(lesions))
        self._on_waiting()

    def _examine(self) -> Sequence[int]:
        """Read new marks; give the lesions that are to be joined."""
        examined = examine_received(self._database)
        if examined.requeued:
            self._on_work()
        return examined.lesions

    def _waiting_for(self, arrived: set[str]) -> Iterable[int]:
        """Ids of waiting lesions that the arrived slices, series or frames of reference touch."""
        with self._database.read() as session:
            rows = session.execute(
                select(
                    Lesion.id,
                    Lesion.key_sop_instance_uid,
                    Lesion.series_instance_uid,
                    Lesion.frame_of_reference_uid,
                ).where(Lesion.state == LesionState.WAITING)
            ).all()
        return [lesion_id for lesion_id, *uids in rows if arrived.intersection(uids)]

    def _join(self, lesion_ids: Iterable[int]) -> None:
        ready = 0
        known = SeriesOfPass()
        for lesion_id in lesion_ids:
            decision = self._decide(lesion_id, known)
            self._record(lesion_id, decision)
            ready += isinstance(decision, Joined)
        if ready:
            self._on_work()

    def _decide(
        self, lesion_id: int, known: SeriesOfPass
    ) -> Joined | Waiting | Refused | Superseded:
        with self._database.read() as session:
            lesion = session.get_one(Lesion, lesion_id)
            try:
                return join(
                    session,
                    lesion,
                    self._rules,
                    self._settings.quiet_period_s,
                    known,
                    self._may_be_fetched,
                )
            except (SQLAlchemyError, OSError):
                raise
            except Exception as error:  # one lesion that cannot be joined stops no other
                logger.error("lesion.fault lesion=%d %s", lesion_id, describe_fault(error))
                return Refused(f"cannot be joined to its CT: {describe_fault(error)}")

    def _record(self, lesion_id: int, decision: Joined | Waiting | Refused | Superseded) -> None:
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
                    "mark": to_json(decision.mark),
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
                values["reason"] = decision.reason
                if decision.image is not None or decision.space is not None:
                    values["key_sop_instance_uid"] = decision.image
                if decision.space is not None:
                    values["frame_of_reference_uid"] = decision.space
                logger.info("lesion.waiting lesion=%d reason=%s", lesion_id, decision.reason)
            case Refused():
                values |= {"state": LesionState.REFUSED, "reason": decision.reason}
                logger.warning("lesion.refused lesion=%d", lesion_id)
            case Superseded():
                values |= {"state": LesionState.SUPERSEDED, "reason": decision.reason}
                logger.info("lesion.superseded lesion=%d", lesion_id)
        with self._database.write() as session:
            if isinstance(decision, Joined):
                for other, why in decision.supersedes:
                    supersede(session, other, why, lesion_id)
                    logger.info("lesion.superseded lesion=%d by=%d", other, lesion_id)
            session.execute(
                update(Lesion)
                .where(
                    Lesion.id == lesion_id,
                    Lesion.state == LesionState.WAITING,
                )
                .values(values)
            )
        if isinstance(decision, Waiting) and decision.settles_at is not None:
            call_at(
                self._scheduler,
                decision.settles_at + 0.01,
                f"collect:quiet:{lesion_id}",
                self._settle,
                lesion_id,
            )

    def _settle(self, lesion_id: int) -> None:
        """The quiet period of a lesion's series is over."""
        with self._database.read() as session:
            state = session.get_one(Lesion, lesion_id).state
        if state is LesionState.WAITING:
            self._join([lesion_id])
