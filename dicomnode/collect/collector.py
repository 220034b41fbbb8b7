"""The collecting service: wakes when instances arrive, and makes lesions ready."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy import Row, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dicomnode.collect.claims import Neighbours, Placed
from dicomnode.collect.ct import SeriesOfPass
from dicomnode.collect.examine import examine_received
from dicomnode.collect.join import Joined, Refused, Waiting, join
from dicomnode.collect.kinship import Verdict, resolve
from dicomnode.collect.mask_work import MasksOnCt
from dicomnode.collect.stack import NotYet
from dicomnode.collect.supersede import settle, unsettled
from dicomnode.faults import describe_fault
from dicomnode.marks.serialised import to_json
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.refusals import lesion_changed
from dicomnode.store.standing import unsettle_replaced
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from dicomnode.timing import call_at
from dicomnode.woken_thread import WokenThread

logger = logging.getLogger(__name__)

_GATHER_S = 0.25
"""Pause between two passes, so that a stream of slices is looked at in batches."""

_AT_ONCE = 20
"""Lesions that are looked at in one pass; a hundred segments take seconds."""

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
    submit : callable, optional
        Starts a call in a worker process; masks are put on their CT there. Without it that is done
        in the collector's thread.
    on_refused : callable
        Called, without arguments, when the refusals of an object may have changed.
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
        submit: Callable[..., Future[Any]] | None = None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._scheduler = scheduler
        self._settings = settings
        self._rules = rules
        self._on_work = on_work
        self._on_waiting = on_waiting
        self._may_be_fetched = may_be_fetched
        self._on_refused = on_refused
        self._masks = MasksOnCt(submit, self._on_mask)
        self._joining = threading.Lock()
        self._lock = threading.Lock()
        self._arrived: set[str] = set()
        # What waiting lesions name; None while that is not known.
        self._awaited: frozenset[str] | None = None
        self._put: set[int] = set()
        self._blocked: set[int] = set()
        self._look_at_all = False
        self._thread = WokenThread("collector", self._collect_arrived, self._recover, _GATHER_S)

    def start(self) -> None:
        """Resume: look at everything that waits, then at what arrives. Returns at once.

        What a crash left may be thousands of marks, and who sends must not wait for them.
        """
        self._scheduler.add_job(
            self.expire, "interval", minutes=10, id="collect:expire", replace_existing=True
        )
        self._look_at_all = True
        self._thread.start()
        self._thread.wake()

    def stop(self) -> None:
        """Finish the pass that runs and stop."""
        self._thread.stop()

    def notify(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once.

        A CT that no lesion waits for wakes nobody: who marks it later looks for it in the rows,
        and its own was there before this was said.
        """
        header = received.header
        uids = (
            header.sop_instance_uid,
            header.series_instance_uid,
            header.frame_of_reference_uid,
            header.concatenation_source_uid,
        )
        awaited = self._awaited
        marks = header.sop_class_uid not in CT_CLASSES
        if marks or awaited is None or not awaited.isdisjoint(uids):
            self.revisit(*uids)

    def revisit(self, *uids: str | None) -> None:
        """Say that something is new about what these UIDs name. Returns at once."""
        with self._lock:
            self._arrived.update(uid for uid in uids if uid)
        self._thread.wake()

    def revisit_all(self) -> None:
        """Say that anything may be new. Returns at once."""
        self._look_at_all = True
        self._thread.wake()

    def take_up(self, lesion_ids: Iterable[int]) -> None:
        """Say that lesions wait (again), whatever arrives. Returns at once."""
        with self._lock:
            self._put.update(lesion_ids)
        self._thread.wake()

    def reconsider(self) -> None:
        """Say that a lesion failed, which others may have made way for. Returns at once."""
        self._thread.wake()

    def collect_all(self) -> None:
        """Examine what was not examined, and look at every waiting lesion."""
        self._examine()
        self._join(self._waiting())
        self._on_waiting()

    def expire(self) -> None:
        """Refuse lesions that have waited longer than patience lasts."""
        hours = self._settings.patience_h
        with self._database.write() as session:
            expired = session.scalars(
                select(Lesion).where(
                    Lesion.state == LesionState.WAITING,
                    Lesion.waiting_since < time.time() - hours * 3600,
                )
            ).all()
            for lesion in expired:
                lesion.state = LesionState.REFUSED
                lesion.reason = f"waited {hours:g} h: {lesion.reason}"
                unsettle_replaced(session, lesion.id)
                lesion_changed(session, lesion.id)
        if expired:
            logger.warning("lesion.expired count=%d", len(expired))
            self._on_refused()
            self._thread.wake()

    def _recover(self, error: Exception) -> None:
        """Nothing is lost: rows still say what is to be done. Try again, not at once."""
        logger.error("collect.failed %s", describe_fault(error))
        self._look_at_all = True
        moment = time.time() + _PAUSE_AFTER_FAULT_S
        call_at(self._scheduler, moment, "collect:again", self._thread.wake)

    def _collect_arrived(self) -> None:
        if self._look_at_all:
            self._look_at_all = False  # first: what is said meanwhile is for the next pass
            self.take_up(self._waiting())
        with self._lock:
            arrived, self._arrived = self._arrived, set()
            put, self._put = self._put, set()
        # New ones first; what is left over waits for the next pass, not new objects for it.
        lesions = dict.fromkeys((*self._examine(), *sorted(put), *self._waiting_for(arrived)))
        now = list(lesions)[:_AT_ONCE]
        with self._lock:
            self._put.update(list(lesions)[_AT_ONCE:])
            if self._put:
                self._thread.wake()
        self._join(now)
        self._on_waiting()

    def _examine(self) -> Sequence[int]:
        """Read new marks; give the lesions that are to be joined."""
        examined = examine_received(self._database)
        if examined.requeued:
            self._on_work()
        if examined.objects:
            self._on_refused()
        return examined.lesions

    def _waiting(self) -> Sequence[int]:
        """Ids of all waiting lesions."""
        with self._database.read() as session:
            return session.scalars(
                select(Lesion.id).where(Lesion.state == LesionState.WAITING)
            ).all()

    def _waiting_for(self, arrived: set[str]) -> Iterable[int]:
        """Ids of waiting lesions that the arrived slices, series or frames of reference touch."""
        if not arrived:
            return []
        return [i for i, *uids in self._waited_for() if arrived.intersection(uids)]

    def _waited_for(self) -> Sequence[Row[tuple[int, str | None, str | None, str | None]]]:
        """Ids of waiting lesions, with the slice, series and frame of reference that each names."""
        with self._database.read() as session:
            return session.execute(
                select(
                    Lesion.id,
                    Lesion.key_sop_instance_uid,
                    Lesion.series_instance_uid,
                    Lesion.frame_of_reference_uid,
                ).where(Lesion.state == LesionState.WAITING)
            ).all()

    def _on_mask(self, lesion_id: int) -> None:
        """A mask was put on its CT, for one lesion or to compare others with it."""
        with self._lock:
            self._put.update((lesion_id, *self._blocked))
            self._blocked.clear()
        self._thread.wake()

    def _join(self, lesion_ids: Iterable[int]) -> None:
        # The scheduler's threads join lesions, too, whose series has fallen quiet.
        with self._joining:
            self._awaited = None  # whatever arrives from here on may come too late for this look
            known = SeriesOfPass()
            joined: dict[int, Joined] = {}
            for lesion_id in lesion_ids:
                decision = self._decide(lesion_id, known)
                if isinstance(decision, Joined):
                    joined[lesion_id] = decision
                elif decision is not None:
                    self._record(lesion_id, decision)
            self._settle_all(joined, known)
            self._awaited = frozenset(
                uid for _, *uids in self._waited_for() for uid in uids if uid is not None
            )

    def _settle_all(self, joined: Mapping[int, Joined], known: SeriesOfPass) -> None:
        """Compare lesions that met their CT, and those that are unsettled, with their neighbours.

        Study by study: all that meet their CT in one pass become ready at once, so that of two
        versions of a mark the older one is not begun.
        """
        with self._database.read() as session:
            to_do = unsettled(session)
        for decision in joined.values():
            to_do.setdefault(decision.key.study_instance_uid, [])
        ready = False
        with self._lock:
            self._blocked.update(joined)
        for study, around in to_do.items():
            here = {i: j for i, j in joined.items() if j.key.study_instance_uid == study}
            verdicts, waits = self._compare(study, here, around, known)
            with self._lock:
                self._blocked.difference_update(here.keys() - waits.keys())
                self._blocked.update(waits.keys() & here.keys())
            for lesion_id in here.keys() & waits.keys():
                words = f"masks nearby: {waits[lesion_id]}"
                self._record(lesion_id, Waiting(words, here[lesion_id].key))
            ready |= self._record_joined(
                {i: j for i, j in here.items() if i not in waits},
                [i for i in around if i not in waits],
                verdicts,
            )
        if ready:
            self._on_work()

    def _compare(
        self, study: str, joined: Mapping[int, Joined], around: Collection[int], known: SeriesOfPass
    ) -> tuple[list[Verdict], dict[int, str]]:
        """Which lesions near some stand, and which wait for masks that are put on the CT, and why.

        What is asked for here and comes at once is not missed: lesions count as blocked before.
        """
        placed = {i: Placed(j.mark, j.key, j.axes) for i, j in joined.items()}
        verdicts: list[Verdict] = []
        waits: dict[int, str] = {}
        try:
            with self._database.read() as session:
                near = Neighbours(session, study, placed, around, known, self._masks)
                for claims in near.groups():
                    try:
                        near.ask_for_masks(claims)
                        verdicts += resolve(claims, near)
                    except NotYet as wait:
                        waits |= {claim.lesion_id: str(wait) for claim in claims}
        except (SQLAlchemyError, OSError):
            raise
        except Exception as error:  # lesions that cannot be compared stop no others
            logger.error("lesion.fault lesions=%s %s", sorted(joined), describe_fault(error))
            return [Verdict(i, opinions=j.mark.opinions) for i, j in joined.items()], {}
        return verdicts, waits

    def _decide(self, lesion_id: int, known: SeriesOfPass) -> Joined | Waiting | Refused | None:
        """What becomes of a lesion; None where it does not wait any more."""
        with self._database.read() as session:
            lesion = session.get_one(Lesion, lesion_id)
            if lesion.state is not LesionState.WAITING:
                return None
            try:
                return join(
                    session,
                    lesion,
                    tuple(self._rules),  # one set, though a reload comes meanwhile
                    self._settings,
                    known,
                    self._masks,
                    self._may_be_fetched,
                )
            except (SQLAlchemyError, OSError):
                raise
            except Exception as error:  # one lesion that cannot be joined stops no other
                logger.error("lesion.fault lesion=%d %s", lesion_id, describe_fault(error))
                return Refused(f"cannot be joined to its CT: {describe_fault(error)}")

    def _record(self, lesion_id: int, decision: Waiting | Refused) -> None:
        values = _place_of(decision)
        match decision:
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
        with self._database.write() as session:
            if isinstance(decision, Refused):
                unsettle_replaced(session, lesion_id)
            _change(session, lesion_id, values)
            if isinstance(decision, Refused):
                lesion_changed(session, lesion_id)
        if isinstance(decision, Refused):
            self._on_refused()
        if isinstance(decision, Waiting) and decision.settles_at is not None:
            call_at(
                self._scheduler,
                decision.settles_at + 0.01,
                f"collect:quiet:{lesion_id}",
                self._settle,
                lesion_id,
            )

    def _record_joined(
        self, joined: Mapping[int, Joined], around: Collection[int], verdicts: Sequence[Verdict]
    ) -> bool:
        """Write down where lesions lie and which of them stand, at once; whether some are ready."""
        with self._database.write() as session:
            for lesion_id, decision in joined.items():
                _change(session, lesion_id, _place_of(decision) | _way_of(decision))
            session.execute(update(Lesion).where(Lesion.id.in_(around)).values(unsettled=False))
            ready, superseded = settle(session, verdicts)
        for lesion_id in ready:
            logger.info("lesion.ready lesion=%d", lesion_id)
        for lesion_id in superseded:
            logger.info("lesion.superseded lesion=%d", lesion_id)
        if superseded:
            self._on_refused()
        return bool(ready)

    def _settle(self, lesion_id: int) -> None:
        """The quiet period of a lesion's series is over."""
        with self._database.read() as session:
            state = session.get_one(Lesion, lesion_id).state
        if state is LesionState.WAITING:
            self._join([lesion_id])


def _place_of(decision: Joined | Waiting | Refused) -> dict[str, object]:
    if decision.key is None:
        return {}
    return {
        "key_sop_instance_uid": decision.key.sop_instance_uid,
        "study_instance_uid": decision.key.study_instance_uid,
        "series_instance_uid": decision.key.series_instance_uid,
    }


def _way_of(decision: Joined) -> dict[str, object]:
    axes = decision.axes
    return {
        "mark": to_json(decision.mark),
        "absent_seg": decision.absent_seg,
        "state": LesionState.READY,
        "reason": None,
        "slices": list(decision.slices),
        "long_axis": axes.long_axis.tolist(),
        "short_axis": None if axes.short_axis is None else axes.short_axis.tolist(),
        "rule": decision.rule.name,
        "method": decision.rule.method,
        "parameters": dict(decision.rule.parameters),
        "destinations": list(decision.rule.destinations),
        "dry_run": decision.rule.dry_run,
        "wanted_results": None if decision.rule.results is None else list(decision.rule.results),
        "warnings": list(decision.warnings),
    }


def _change(session: Session, lesion_id: int, values: dict[str, object]) -> None:
    """Change a lesion that waits; one that does not any more stays as it is."""
    session.execute(
        update(Lesion)
        .where(Lesion.id == lesion_id, Lesion.state == LesionState.WAITING)
        .values(values)
    )
