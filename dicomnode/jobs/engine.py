"""The local engine: worker processes that have one call each, so that who killed one is known."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from dicomnode.faults import describe_fault
from dicomnode.jobs.worker import Call, Limits, Worker

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_LOOK_EVERY_S = 0.25
_PAUSE_AFTER_FAULT_S = 5.0


@dataclass(frozen=True)
class _Ready:
    worker: Worker


@dataclass(frozen=True)
class _Done:
    worker: Worker


class _Stop:
    """Nothing more is given out."""


class ProcessEngine:
    """Runs pure functions in worker processes.

    A worker has one call at a time, and what waits waits here: a worker that dies, or is ended
    because its call takes more than it may, costs that call alone.

    Parameters
    ----------
    processes : int
        How many workers.
    methods : collection of str
        Methods that will be asked for; `warm_up` makes workers ready for them.
    limits : Limits
        Of each call.
    stop_s : float
        How long running calls may go on after `stop`. Then they are cancelled with their workers.
    """

    def __init__(
        self,
        processes: int,
        methods: Collection[str] = (),
        limits: Limits | None = None,
        stop_s: float = math.inf,
    ) -> None:
        self.processes = processes
        self.methods = tuple(methods)
        self._limits = limits or Limits()
        self._stop_s = stop_s
        self._lock = threading.Lock()
        self._stopped = False
        self._inbox: queue.SimpleQueue[Call | _Ready | _Done | _Stop] = queue.SimpleQueue()
        self._waiting: deque[Call] = deque()
        self._not_before = 0.0
        self._workers = [
            Worker(lambda w: self._inbox.put(_Ready(w)), lambda w: self._inbox.put(_Done(w)))
            for _ in range(processes)
        ]
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def alive(self) -> int:
        """Worker processes that live now."""
        return sum(worker.alive for worker in self._workers)

    def warm_up(self) -> None:
        """Start the workers; let them import what they need and compile or load the kernels."""
        for _ in range(self.processes):
            self._put(Call(_get_ready, (self.methods,), Future(), Limits()))

    def submit(self, function: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        """Queue a call. Its answer is `WorkerDied` where its process did not outlive it."""
        return self._put(Call(function, arguments, Future(), self._limits))

    def stop(self) -> None:
        """Let running calls end, or cancel them, drop queued ones, take no new ones."""
        with self._lock:
            self._stopped = True
            started = self._thread.is_alive()
            self._inbox.put(_Stop())
        if started:
            self._thread.join()

    def _put(self, call: Call) -> Future[Any]:
        with self._lock:
            if self._stopped:
                raise RuntimeError("the engine has been stopped")
            if not self._thread.is_alive():
                self._thread.start()
            self._inbox.put(call)
        return call.answer

    def _run(self) -> None:
        stopping, cut_at = False, math.inf
        while not stopping or any(worker.call for worker in self._workers):
            try:
                self._take(self._inbox.get(timeout=self._patience()))
            except queue.Empty:
                pass
            except _Stopping:
                stopping, cut_at = True, time.monotonic() + self._stop_s
            if stopping:
                while self._waiting:
                    self._waiting.popleft().answer.cancel()
            if time.monotonic() >= cut_at:
                cut_at = math.inf
                running = [worker for worker in self._workers if worker.call]
                if running:
                    logger.warning("engine.cut_off calls=%d", len(running))
                for worker in running:
                    worker.cancel()
            self._give_out()
            for worker in self._workers:
                why = worker.end_beyond_limits()
                if why is not None:
                    logger.error("engine.ended_worker %s", why)
        for worker in self._workers:
            worker.close(wait=True)

    def _patience(self) -> float | None:
        """How long to wait for an event: for ever where nothing runs that is to be looked at."""
        if any(worker.call for worker in self._workers):
            return _LOOK_EVERY_S
        return max(0.01, self._not_before - time.monotonic()) if self._waiting else None

    def _take(self, event: Call | _Ready | _Done | _Stop) -> None:
        match event:
            case Call():
                self._waiting.append(event)
            case _Ready():
                event.worker.begin()
            case _Done():
                event.worker.finish()
            case _Stop():
                raise _Stopping

    def _give_out(self) -> None:
        for worker in self._workers:
            while worker.call is None and self._waiting and time.monotonic() >= self._not_before:
                try:
                    worker.start()
                except OSError as error:  # the machine has no process to give: not the call's fault
                    logger.error("engine.failed %s", describe_fault(error))
                    self._not_before = time.monotonic() + _PAUSE_AFTER_FAULT_S
                    return
                call = self._waiting.popleft()
                if call.answer.set_running_or_notify_cancel():
                    worker.take(call)


class _Stopping(Exception):
    """The engine was asked to stop."""


def _get_ready(methods: tuple[str, ...]) -> None:
    import dicomnode.jobs.publish
    import dicomnode.jobs.segment  # noqa: F401
    from pipelines.readiness import compile_kernels

    compile_kernels(methods)
