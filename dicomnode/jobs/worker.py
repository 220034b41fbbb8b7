"""One worker process, which has one call at a time, within limits of time and memory.

Why watched, and not limited by the kernel: RLIMIT_AS counts addresses and not memory, of which
PyTorch and CUDA reserve tens of GB and Numba's compiler some; RLIMIT_DATA ends in errors within
libraries that do not expect them; a cgroup for each worker needs rights that the hardened unit does
not have. So the engine looks at how much memory the worker holds of its own, and ends it. What
grows faster than it looks is the kernel's: workers volunteer to be its first choice.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dicomnode.logs import LogChoice, log_choice, silence_libraries, start_logging
from dicomnode.metrics.counted import worker_died

DIED = "its worker process died"
_OOM_SCORE = "500"


class WorkerDied(BrokenProcessPool):
    """The process that had the call ended before it gave an answer; the text says why."""


@dataclass(frozen=True)
class Limits:
    """What one call may take.

    Attributes
    ----------
    seconds : float
        0: as long as it takes.
    memory_mb : float
        Of the worker's own memory; what it shares of files does not count. 0: as much as it takes.
    """

    seconds: float = 0.0
    memory_mb: float = 0.0


@dataclass
class Call:
    """A call on its way to an answer."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    answer: Future[Any]
    limits: Limits


class Worker:
    """A process of its own, started when there is a call, and anew when it died.

    All methods are called by one thread, the engine's.

    Parameters
    ----------
    on_ready, on_done : callable
        Given this worker, from any thread: it is there; its call has ended.
    """

    def __init__(
        self, on_ready: Callable[[Worker], None], on_done: Callable[[Worker], None]
    ) -> None:
        self.call: Call | None = None
        self._on_ready = on_ready
        self._on_done = on_done
        self._pool: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None
        self._running: Future[Any] | None = None
        self._began = 0.0
        self._has_begun_anew = False
        self._cancelled = False
        self._why_ended = DIED
        self._context = _RememberingContext()

    @property
    def alive(self) -> bool:
        """Whether its process lives now; from any thread."""
        return any(process.is_alive() for process in self._context.made)

    def start(self) -> None:
        """Start the process where there is none.

        Raises
        ------
        OSError
            If no process can be started.
        """
        if self._pool is None:
            # Spawned, not forked: the node has threads, and a forked child could inherit a lock.
            self._context = _RememberingContext()
            self._pool = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=_prepare, initargs=(log_choice(),)
            )
            try:
                self._pid = self._pool.submit(os.getpid)
            except BaseException:
                self.close()
                raise

    def take(self, call: Call) -> None:
        """Give it a call, once it is started; the call begins when the process is there."""
        self.call = call
        self._why_ended = DIED
        self._has_begun_anew = False
        self._pid.add_done_callback(lambda _: self._on_ready(self))

    def begin(self) -> None:
        """Start the call that it was given: the time counts from now."""
        if self._pid is None or self._pid.exception() is not None:
            self._on_done(self)
            return
        self._began = time.monotonic()
        try:
            self._running = self._pool.submit(self.call.function, *self.call.arguments)
        except BrokenProcessPool:
            self._begin_anew()
            return
        self._running.add_done_callback(lambda _: self._on_done(self))

    def _begin_anew(self) -> None:
        """The process died while it had nothing to do, not by this call: once more."""
        self.close()
        if self._has_begun_anew or self._cancelled:
            self._on_done(self)
            return
        self._has_begun_anew = True
        try:
            self.start()
        except OSError:
            self._on_done(self)
            return
        self._pid.add_done_callback(lambda _: self._on_ready(self))

    def end_beyond_limits(self) -> str | None:
        """End the process if its call takes more than it may; say which limit that is."""
        if self._running is None or self._running.done():
            return None
        limits = self.call.limits
        if limits.seconds and time.monotonic() - self._began > limits.seconds:
            self._why_ended = f"it took longer than {limits.seconds:g} s"
        elif limits.memory_mb and own_memory_mb(self._pid.result()) > limits.memory_mb:
            self._why_ended = f"it took more than {limits.memory_mb:g} MB of memory"
        else:
            return None
        for child in multiprocessing.active_children():
            if child.pid == self._pid.result():
                child.kill()
        return self._why_ended

    def cancel(self) -> None:
        """End the process with its call, which counts as cancelled: the node stops."""
        self._cancelled = True
        for process in self._context.made:
            process.kill()

    def finish(self) -> None:
        """Hand on what the call came to, and be free."""
        call, running = self.call, self._running
        self.call = self._running = None
        error = running.exception() if running is not None else BrokenProcessPool(DIED)
        if isinstance(error, BrokenProcessPool) and self._cancelled:
            self.close()
            call.answer.set_exception(CancelledError())
        elif isinstance(error, BrokenProcessPool):
            self.close()
            worker_died()
            call.answer.set_exception(WorkerDied(self._why_ended))
        elif error is not None:
            call.answer.set_exception(error)
        else:
            call.answer.set_result(running.result())

    def close(self, wait: bool = False) -> None:
        """Let the process end."""
        pool, self._pool, self._pid = self._pool, None, None
        if pool is not None:
            pool.shutdown(wait=wait)


def own_memory_mb(pid: int) -> float:
    """Memory that a process holds of its own, in MB (2**20): anonymous and shared memory, swapped
    or not, and no mapped files. 0 where it is gone or the system does not tell.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    own = [line for line in lines if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:"))]
    return sum(int(line.split()[1]) for line in own) / 1024


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


def _prepare(log: LogChoice | None) -> None:
    """Stop with the parent, leave interrupts to it, print no patient data, be ended first."""
    silence_libraries()
    if log is not None:
        start_logging(log.level, log.format)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # not every system has it
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A pool's worker waits for work for ever, even when its parent was killed.
        threading.Thread(target=_exit_with, args=(parent.sentinel,), daemon=True).start()


def _exit_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
