"""The retrieving service: fetches images that marks wait for and that nobody sent."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy.orm import Session

from dicomnode.audit.trail import NullTrail, Trail
from dicomnode.faults import describe_fault
from dicomnode.receive.intake import Intake
from dicomnode.receive.sop_classes import IMAGE_CLASSES
from dicomnode.retrieve import waiting_list
from dicomnode.retrieve.attempt import fetch_series, find_series
from dicomnode.retrieve.audited import AuditedAsking, CountingIntake, peer_of
from dicomnode.retrieve.budget import Arrivals, Budget
from dicomnode.retrieve.dicomweb import DicomWebAsking
from dicomnode.retrieve.query_retrieve import DicomAsking
from dicomnode.retrieve.source import Asking, Failed, NotThere
from dicomnode.retrieve.steps import first_step, next_step
from dicomnode.retrieve.waiting_lesion import Waiting, last_arrival, waiting_lesions
from dicomnode.retrieve.wanted import Want
from dicomnode.settings import DicomSource, NodeSettings, Source
from dicomnode.store.database import Database
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.tables import Instance, Lesion, Retrieval
from dicomnode.timing import call_at
from dicomnode.woken_thread import WokenThread

logger = logging.getLogger(__name__)

_GATHER_S = 0.5
"""Pause between two looks at what waits: instances arrive many a second."""

_PAUSE_AFTER_FAULT_S = 5.0


class Retriever:
    """Asks sources for the images of waiting lesions, and wakes again when the next is due.

    Parameters
    ----------
    database : Database
    scheduler : apscheduler scheduler
    settings : NodeSettings
        `retrieve`, `retry`, `sources`, the node's AE title and the quiet period of `collect`.
    intake : Intake
        Keeps what is fetched.
    on_asked : callable
        Called with the UID of a series that a source was asked for, whatever came of it.
    trail : Trail, optional
        The audit trail.
    """

    def __init__(
        self,
        database: Database,
        scheduler: BaseScheduler,
        settings: NodeSettings,
        intake: Intake,
        on_asked: Callable[[str], None] = lambda _: None,
        trail: Trail | None = None,
    ) -> None:
        self._trail = trail or NullTrail()
        self._database = database
        self._scheduler = scheduler
        self._settings = settings
        self._intake = intake
        self._on_asked = on_asked
        self._arrivals = Arrivals()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: dict[int, Budget] = {}
        self._pool = ThreadPoolExecutor(settings.retrieve.concurrent, "retrieve")
        self._thread = WokenThread("retriever", self._look, self._recover, _GATHER_S)

    def start(self) -> None:
        """Resume: take up what a former life left, then what becomes due."""
        if not self._settings.sources:
            return
        with self._database.write() as session:
            waiting_list.resume(session, self._settings.sources)
        self._thread.wake()
        self._thread.start()

    def stop(self) -> None:
        """End what runs; it is taken up again at the next start."""
        self._stopping.set()
        self._thread.stop()
        with self._lock:
            running = list(self._running.values())
        for budget in running:
            _end(budget)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def notify(self) -> None:
        """Say that lesions may wait for something. Returns at once."""
        if self._settings.sources:
            self._thread.wake()

    def stored(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once."""
        self._arrivals.notify(received.header.series_instance_uid, received.size)

    def arrived(self, series_instance_uid: str, instances: int, size: int) -> None:
        """Say that instances of a series, of so many bytes, were stored. Returns at once."""
        self._arrivals.notify(series_instance_uid, size, instances)

    def is_to_ask(self, session: Session, lesion: Lesion, series_instance_uid: str) -> bool:
        """Whether a source is still to be asked for what a series may lack."""
        if not self._settings.sources:
            return False
        mark = session.get(Instance, lesion.source_sop_instance_uid)
        if mark is None or not self._has_source(mark.calling_ae):
            return False
        return not waiting_list.was_asked(session, series_instance_uid)

    # -- what is wanted, and when

    def _look(self) -> None:
        moments = [self._ask_for_unasked()]
        with self._lock:
            running = list(self._running)
        with self._database.write() as session:
            waiting_list.requeue_lost(session, running, self._settings.retry)
            moments.append(waiting_list.look_again(session, self._settings.retry))
        self._begin_due()
        with self._database.read() as session, self._lock:
            # While all are busy, the end of one wakes this thread.
            if len(self._running) < self._settings.retrieve.concurrent:
                moments.append(waiting_list.next_due(session))
        moment = min((m for m in moments if m is not None), default=None)
        if moment is not None:
            self._wake_at(moment)

    def _recover(self, error: Exception) -> None:
        """Nothing is lost: rows still say what is to be done. Try again, not at once."""
        logger.error("retrieve.failed %s", describe_fault(error))
        self._wake_at(time.time() + _PAUSE_AFTER_FAULT_S)

    def _wake_at(self, moment: float) -> None:
        call_at(self._scheduler, moment, "retrieve:due", self._thread.wake)

    def _ask_for_unasked(self) -> float | None:
        """Make rows for lesions that have waited long enough; say when the next will have."""
        with self._database.read() as session:
            lesions = waiting_lesions(session)
        moments = []
        wants: dict[Want, list[int]] = {}
        for waiting in lesions:
            # The end of what runs wakes this thread; until then it may bring what is missed.
            if waiting.being_fetched or not self._has_source(waiting.calling_ae):
                continue
            moment = self._due(waiting)
            want = None if moment > time.time() else first_step(waiting)
            if want is not None and want.words in waiting.asked_for:
                continue
            if want is not None and want.series_instance_uid is not None:
                moment = max(moment, self._quiet_at(want.series_instance_uid))
            if moment > time.time():
                moments.append(moment)
            elif want is not None:
                wants.setdefault(want, []).append(waiting.lesion_id)
        for want, lesion_ids in wants.items():
            with self._database.write() as session:
                self._ask_for(session, want, lesion_ids)
        return min(moments, default=None)

    def _has_source(self, calling_ae: str) -> bool:
        return any(source.serves(calling_ae) for source in self._settings.sources)

    def _due(self, waiting: Waiting) -> float:
        """When a lesion has waited long enough for images to be pushed."""
        wait = self._settings.retrieve.grace_s
        if waiting.series_uid is not None:  # slices are here; more may come, or be none
            wait = max(wait, self._settings.collect.quiet_period_s)
        return waiting.quiet_since + wait

    def _quiet_at(self, series_instance_uid: str) -> float:
        """When nothing has come of a series for as long as slices are waited for."""
        with self._database.read() as session:
            newest = last_arrival(session, series_instance_uid)
        return newest + self._settings.retrieve.grace_s

    def _ask_for(self, session: Session, want: Want, lesion_ids: Sequence[int]) -> None:
        if want.sop_class_uid is None or want.sop_class_uid in IMAGE_CLASSES:
            retrieval = waiting_list.ask_for(session, want, lesion_ids)
        else:
            reason = (
                f"the images are of SOP class {want.sop_class_uid}, which the node does not take"
            )
            retrieval = waiting_list.refuse(session, want, lesion_ids, reason)
        logger.info(
            "retrieval.%s retrieval=%d lesions=%d",
            retrieval.state.value,
            retrieval.id,
            len(lesion_ids),
        )

    def _ask_elsewhere(self, session: Session, retrieval: Retrieval, came: int = 0) -> None:
        """Look for images in another way that were not where they were asked for.

        Whether what came is what a mark in space waits for, the collector finds out first.
        """
        for waiting in waiting_lesions(session, retrieval):
            if came and waiting.image_uid is None:
                continue
            want = next_step(waiting, retrieval.wanted)
            if want is not None:
                self._ask_for(session, want, [waiting.lesion_id])

    # -- asking

    def _begin_due(self) -> None:
        with self._lock:
            room = self._settings.retrieve.concurrent - len(self._running)
        with self._database.write() as session:
            due = waiting_list.take_due(session, room)
        for retrieval_id in due:
            budget = Budget(self._settings.retrieve, self._stopping)
            with self._lock:
                self._running[retrieval_id] = budget
            # A source that sends byte by byte meets no time-out of the network.
            late = time.time() + self._settings.retrieve.longest_s + 1
            call_at(self._scheduler, late, _late(retrieval_id), _end, budget)
            future = self._pool.submit(self._retrieve, retrieval_id, budget)
            future.add_done_callback(lambda f, i=retrieval_id: self._ended(i, f))

    def _ended(self, retrieval_id: int, future: Future[None]) -> None:
        with self._lock:
            self._running.pop(retrieval_id, None)
        with contextlib.suppress(JobLookupError):
            self._scheduler.remove_job(_late(retrieval_id))
        error = None if future.cancelled() else future.exception()
        if error is not None:
            logger.error("retrieve.failed retrieval=%d %s", retrieval_id, describe_fault(error))
        self._thread.wake()

    def _retrieve(self, retrieval_id: int, budget: Budget) -> None:
        """One attempt: ask the sources that apply, in order, until one gives what is wanted."""
        with self._database.read() as session:
            retrieval = session.get_one(Retrieval, retrieval_id)
            callers = waiting_list.calling_aes(session, retrieval)
        if not callers:  # what was waited for came while this waited for its turn
            with self._database.write() as session:
                waiting_list.record_not_needed(session.get_one(Retrieval, retrieval_id))
            return
        sources = [
            source
            for source in self._settings.sources
            if source.name not in retrieval.refused_by and any(map(source.serves, callers))
        ]
        want = waiting_list.want_of(retrieval)
        before = self._held(want)
        failures: dict[str, Failed] = {}
        for source in sources:
            if self._stopping.is_set():
                break
            try:
                words, found = self._ask(source, want, budget)
            except Failed as error:
                failures[source.name] = error
            except Exception as error:  # a fault of the node's own, or of a library
                failures[source.name] = Failed(f"a fault: {describe_fault(error)}")
                logger.error("retrieve.failed retrieval=%d %s", retrieval_id, describe_fault(error))
            else:
                came = len(self._held(want) - before)
                self._record_done(retrieval, source, words, found, came)
                return
        if self._stopping.is_set():
            return  # the row is taken up again at the next start
        with self._database.write() as session:
            row = waiting_list.record_failed(
                session,
                retrieval_id,
                failures,
                len(self._held(want) - before),
                [source.name for source in sources],
                self._settings.retry,
            )
            if any(isinstance(failure, NotThere) for failure in failures.values()):
                self._ask_elsewhere(session, row)
        self._log(row, logging.WARNING)
        if row.series_instance_uid is not None:
            self._on_asked(row.series_instance_uid)

    def _held(self, want: Want) -> set[str]:
        """What is here of a series; of one that is not known yet, nothing.

        The index is asked, and not who was told of arrivals: by C-MOVE the source's last word can
        come before the receiver has told of the last images.
        """
        if want.series_instance_uid is None:
            return set()
        with self._database.read() as session:
            return waiting_list.held(session, want.series_instance_uid)

    def _ask(self, source: Source, want: Want, budget: Budget) -> tuple[str, list[str]]:
        """Ask one source.

        Returns
        -------
        words : str
            What there is to say of it.
        found : list of str
            Series that were found and are to be fetched.
        """
        with self._asking(source, budget) as asking:
            if want.series_instance_uid is None:
                found = find_series(asking, want)
                return f"found {len(found)} series", found
            before = self._held(want)
            fetched = fetch_series(
                asking,
                want.study_instance_uid,
                want.series_instance_uid,
                before,
                self._settings.retrieve,
                budget,
            )
        after = self._held(want)
        if not after:
            raise NotThere("the source sent nothing")
        lacking = fetched.lacking(after)
        if lacking:
            raise Failed(f"{lacking} images did not arrive")
        return f"{len(after - before)} images came, {len(after)} are here", []

    def _asking(self, source: Source, budget: Budget) -> Asking:
        ae_title = self._settings.listen.ae_title
        transfers = self._trail.transfers(peer_of(source), sends=True, node_asked=True)
        intake = CountingIntake(self._intake, transfers)
        asking: Asking
        if isinstance(source, DicomSource):
            asking = DicomAsking(source, ae_title, intake, self._arrivals, budget)
        else:
            asking = DicomWebAsking(source, ae_title, intake, budget)
        return AuditedAsking(asking, source, self._trail, transfers)

    def _record_done(
        self, retrieval: Retrieval, source: Source, words: str, found: list[str], came: int
    ) -> None:
        settle_s = self._settings.retrieve.grace_s + self._settings.collect.quiet_period_s
        with self._database.write() as session:
            row = waiting_list.record_done(
                session,
                retrieval.id,
                source.name,
                words,
                came,
                self._settings.retry,
                settle_s,
            )
            lesion_ids = [lesion.id for lesion in row.lesions]
            for series in found:
                want = Want(retrieval.study_instance_uid, series_instance_uid=series)
                waiting_list.ask_for(session, want, lesion_ids)
            if not found:
                self._ask_elsewhere(session, row, came)
        self._log(row, logging.INFO)
        if row.series_instance_uid is not None:
            self._on_asked(row.series_instance_uid)

    def _log(self, row: Retrieval, level: int) -> None:
        # The peer's words can name a patient: they are for `explain`, the log gets the status.
        logger.log(
            level,
            "retrieval.%s retrieval=%d source=%s instances=%d status=%s",
            row.state.value,
            row.id,
            row.source,
            row.instances,
            "none" if row.status is None else row.status,
        )


def _late(retrieval_id: int) -> str:
    """Name of the call that ends an attempt that takes too long."""
    return f"retrieve:late:{retrieval_id}"


def _end(budget: Budget) -> None:
    try:
        budget.interrupt()
    except Exception as error:  # it may be ending by itself this moment
        logger.debug("retrieve.interrupt_failed %s", describe_fault(error))
