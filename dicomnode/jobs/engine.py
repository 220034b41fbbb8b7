"""The local engine: a pool of worker processes that outlives the crash of a worker."""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from dicomnode.logs import LogChoice, log_choice, silence_libraries, start_logging

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class ProcessEngine:
    """Runs pure functions in worker processes.

    Parameters
    ----------
    processes : int
        How many workers.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self._stopped = False
        self._context = _RememberingContext()

    @property
    def alive(self) -> int:
        """Worker processes that live now."""
        return sum(process.is_alive() for process in self._context.made)

    def warm_up(self) -> None:
        """Start the workers; let them import what they need and compile or load the kernels."""
        for _ in range(self.processes):
            self.submit(_get_ready)

    def submit(self, function: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        """Queue a call. A pool that a dying worker broke is replaced by a new one."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("the engine has been stopped")
            if self._pool is None:
                self._pool = self._new_pool()
            try:
                return self._pool.submit(function, *arguments)
            except BrokenProcessPool:
                logger.warning("engine.restarted processes=%d", self.processes)
                self._pool.shutdown(wait=False)
                self._pool = self._new_pool()
                return self._pool.submit(function, *arguments)

    def stop(self) -> None:
        """Let running calls end, drop queued ones, take no new ones."""
        with self._lock:
            self._stopped = True
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        # Spawned, not forked: the node has threads, and a forked child could inherit a held lock.
        self._context = _RememberingContext()
        return ProcessPoolExecutor(
            self.processes,
            mp_context=self._context,
            initializer=_prepare_worker,
            initargs=(log_choice(),),
        )


class _RememberingContext(multiprocessing.context.SpawnContext):
    """Knows the processes that a pool has started, which the pool does not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[multiprocessing.context.SpawnProcess] = []

    def Process(self, *given: Any, **named: Any) -> multiprocessing.context.SpawnProcess:
        """Make a process, as the pool asks for one."""
        process = multiprocessing.context.SpawnProcess(*given, **named)
        self.made.append(process)
        return process


def _prepare_worker(log: LogChoice | None) -> None:
    """Stop the worker with its parent, leave interrupts to the parent, print no patient data."""
    silence_libraries()
    if log is not None:
        start_logging(log.level, log.format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A pool's worker waits for work for ever, even when its parent was killed.
        threading.Thread(target=_exit_with, args=(parent.sentinel,), daemon=True).start()


def _exit_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _get_ready() -> None:
    import dicomnode.jobs.publish
    import dicomnode.jobs.segment  # noqa: F401
    from pipelines.readiness import compile_kernels

    compile_kernels()
