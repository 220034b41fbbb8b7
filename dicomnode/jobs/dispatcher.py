"""The segmenting service: gives ready lesions to the engine and writes down what comes back."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any

from apscheduler.schedulers.base import BaseScheduler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dicomnode.faults import describe_fault
from dicomnode.jobs import lesion_queue as lesions
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.publish import publish
from dicomnode.jobs.segment import segment
from dicomnode.jobs.variants import Ladders
from dicomnode.jobs.worker import WorkerDied
from dicomnode.metrics.counted import StageClock, took
from dicomnode.results import EmptyMask, UnusableGeometry
from dicomnode.settings import SegmentSettings
from dicomnode.store.database import Database
from dicomnode.store.files import StorageError
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from dicomnode.timing import call_at
from pipelines.errors import SegmentationError
from pipelines.networks.options import NetworkOptions

logger = logging.getLogger(__name__)

_WAIT_FOR_DISK_S = 30.0
_PAUSE_AFTER_FAULT_S = 5.0
_DEATHS = 2
"""A lesion that broke before and now takes its worker down is parked, however many attempts others
have."""


@dataclass(frozen=True)
class _Ended:
    lesion_id: int
    request: lesions.SegmentRequest | lesions.PublishRequest
    future: Future[Any]


@dataclass(frozen=True)
class _Free:
    """A lesion that was postponed may be tried again."""

    lesion_id: int


class _Stop:
    """The engine has stopped: whatever it still did lies before this in the inbox."""


class Dispatcher:
    """Keeps every worker busy while there are lesions to segment or publish.

    Parameters
    ----------
    database : Database
    engine : ProcessEngine
    scheduler : apscheduler scheduler
        Wakes the dispatcher when something postponed may be tried again.
    folders : Folders
    settings : SegmentSettings
    ladders : Ladders
        Which objects each destination gets.
    on_published : callable
        Called, without arguments, when results have been published.
    on_given_up : callable
        Called, without arguments, when a lesion was refused or has failed.
    networks : NetworkOptions
        What workers run networks on.
    """

    def __init__(
        self,
        database: Database,
        engine: ProcessEngine,
        scheduler: BaseScheduler,
        folders: lesions.Folders,
        settings: SegmentSettings,
        ladders: Ladders,
        on_published: Callable[[], None],
        on_given_up: Callable[[], None] = lambda: None,
        networks: NetworkOptions | None = None,
    ) -> None:
        self._database = database
        self._engine = engine
        self._scheduler = scheduler
        self._folders = folders
        self._settings = settings
        self._ladders = ladders
        self._on_published = on_published
        self._on_given_up = on_given_up
        self._networks = networks or NetworkOptions()
        self._inbox: queue.SimpleQueue[_Ended | _Free | _Stop | None] = queue.SimpleQueue()
        self._running: set[int] = set()
        self._postponed: set[int] = set()
        self._publishing = StageClock("publish")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Resume: take up what a former life of this node left, then what becomes ready."""
        self._engine.warm_up()
        self._thread.start()
        self.notify()

    def stop(self) -> None:
        """Let running calls end, write down what they came to, leave the rest to the next start."""
        self._stopping.set()
        self._engine.stop()
        self._inbox.put(_Stop())
        if self._thread.is_alive():
            self._thread.join()

    def notify(self) -> None:
        """Say that lesions may be ready."""
        self._inbox.put(None)

    def _run(self) -> None:
        while True:
            event = self._inbox.get()
            try:
                match event:
                    case _Ended():
                        self._record(event)
                        self._running.discard(event.lesion_id)
                    case _Free():
                        self._postponed.discard(event.lesion_id)
                    case _Stop():
                        return
                if not self._stopping.is_set():
                    self._dispatch()
            except Exception as error:
                self._recover(event, error)

    def _recover(self, event: _Ended | _Free | None, error: Exception) -> None:
        """Nothing is lost: what was to be written down, or given out, is tried again."""
        logger.error("dispatch.failed %s", describe_fault(error))
        if self._stopping.is_set():
            return
        again = event if isinstance(event, _Ended) and event.lesion_id in self._running else None
        self._put_in(_PAUSE_AFTER_FAULT_S, again, "again" if again is None else again.lesion_id)

    def _dispatch(self) -> None:
        # One more than there are workers, so that none waits for this thread.
        free = self._engine.processes + 1 - len(self._running)
        if free < 1:
            return
        with self._database.read() as session:
            chosen = lesions.next_work(session, free, self._running | self._postponed)
        for lesion in chosen:
            try:
                with self._database.read() as session:
                    function, request = self._work(session, lesion)
            except DBAPIError:  # the database is at fault, not the lesion
                raise
            except Exception as error:  # one lesion that cannot be given out stops no other
                self._record_fault(lesion.id, describe_fault(error))
                continue
            future = self._engine.submit(function, request)
            self._running.add(lesion.id)
            if isinstance(request, lesions.PublishRequest):
                self._publishing.begin(lesion.id)
            future.add_done_callback(
                lambda done, i=lesion.id, r=request: self._inbox.put(_Ended(i, r, done))
            )

    def _work(self, session: Session, lesion: Lesion) -> tuple[Callable[..., Any], Any]:
        if lesion.state is LesionState.READY:
            return segment, lesions.segment_request(session, lesion, self._folders, self._networks)
        return publish, lesions.publish_request(session, lesion, self._folders, self._ladders)

    def _record(self, ended: _Ended) -> None:
        lesion_id = ended.lesion_id
        try:
            made = ended.future.result()
        except CancelledError:
            return
        except (SegmentationError, UnusableGeometry, EmptyMask) as error:
            with self._database.write() as session:
                if not self._is_wanted(session, ended):
                    return
                lesions.record_refused(session, lesion_id, str(error))
            logger.warning("lesion.refused lesion=%d", lesion_id)
            self._on_given_up()
        except StorageError as error:
            with self._database.write() as session:
                lesions.record_postponed(session, lesion_id, f"waiting: {error}")
            self._postponed.add(lesion_id)
            self._put_in(_WAIT_FOR_DISK_S, _Free(lesion_id), lesion_id)
            logger.error("lesion.postponed lesion=%d reason=%s", lesion_id, error)
        except WorkerDied as error:
            self._record_fault(lesion_id, str(error), ended, most=_DEATHS)
        except Exception as error:
            self._record_fault(lesion_id, describe_fault(error), ended)
        else:
            self._record_made(ended, made)

    def _is_wanted(self, session: Session, ended: _Ended) -> bool:
        return lesions.is_wanted(session, ended.lesion_id, ended.request, self._folders)

    def _record_made(self, ended: _Ended, made: Any) -> None:
        if isinstance(ended.request, lesions.SegmentRequest):
            with self._database.write() as session:
                if not self._is_wanted(session, ended):
                    return
                lesions.record_segmented(session, ended.lesion_id, ended.request.target, made)
            logger.info("lesion.segmented lesion=%d seconds=%.2f", ended.lesion_id, made.seconds)
            took("segment", made.seconds)
            return
        with self._database.write() as session:
            if not self._is_wanted(session, ended):
                return
            lesions.record_published(
                session,
                ended.lesion_id,
                made,
                self._ladders.gather_s,
                self._ladders.only_accepted,
            )
        logger.info("lesion.published lesion=%d objects=%d", ended.lesion_id, len(made))
        self._publishing.end(ended.lesion_id)
        self._on_published()

    def _record_fault(
        self, lesion_id: int, fault: str, ended: _Ended | None = None, most: int | None = None
    ) -> None:
        attempts = self._settings.attempts
        with self._database.write() as session:
            if ended is not None and not self._is_wanted(session, ended):
                return
            state = lesions.record_fault(
                session, lesion_id, fault, attempts if most is None else min(most, attempts)
            )
        logger.error("lesion.fault lesion=%d state=%s %s", lesion_id, state.value, fault)
        if state is LesionState.FAILED:
            self._on_given_up()
        self.notify()

    def _put_in(self, seconds: float, event: _Ended | _Free | None, name: object) -> None:
        call_at(self._scheduler, time.time() + seconds, f"jobs:{name}", self._inbox.put, event)
