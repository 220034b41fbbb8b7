"""The sending service: takes the journal to the collector, from where it was left."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import time
from pathlib import Path

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.audit.files import HEAD, SENT, DamagedMark, Mark, records
from dicomnode.audit.record import Record
from dicomnode.audit.syslog import Connection, NotTaken, syslog_message
from dicomnode.deliver.backoff import wait_s
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import audit_failed
from dicomnode.settings.telling import CollectorSettings
from dicomnode.settings.working import RetrySettings
from dicomnode.store.files import sweep_parts
from dicomnode.woken_thread import DueThread

logger = logging.getLogger(__name__)

_AT_ONCE = 100
_LONGEST_WAIT_S = 300.0
_LAST_S = 3.0
_LOOK_EVERY_S = 10.0
"""Commands, and other processes on the store, write to the journal without a word."""
_IDLE_S = 300.0
"""A connection that has had nothing for so long is closed."""


class AuditSender:
    """Sends what the journal holds and the collector does not have. Has a thread of its own.

    The journal is the buffer: how far the collector has it stands in a file beside it, and moves
    only after records were taken. So an outage or a crash loses nothing; a record can go twice.

    Parameters
    ----------
    folder : Path
        Of the journal.
    settings : CollectorSettings
    retry : RetrySettings
        How long to wait while the collector takes none.
    scheduler : apscheduler scheduler
    """

    def __init__(
        self,
        folder: Path,
        settings: CollectorSettings,
        retry: RetrySettings,
        scheduler: BaseScheduler,
    ) -> None:
        self._folder = folder
        self._settings = settings
        longest = min(retry.longest_wait_s, _LONGEST_WAIT_S)
        self._retry = retry.model_copy(update={"longest_wait_s": longest})
        self._connection: Connection | None = None
        self._used_at = 0.0
        self._failures = 0
        self._due_at = 0.0
        self._closing = False
        self._thread = DueThread("audit-sender", scheduler, self._send, self._complain)

    def start(self) -> None:
        """Go on where it was left."""
        sweep_parts(self._folder, of=SENT)
        self._thread.wake()
        self._thread.start()

    def notify(self) -> None:
        """Say that something was written."""
        self._thread.wake()

    def ask_to_stop(self) -> None:
        """Ask without waiting."""
        self._thread.ask_to_stop()

    def stop(self) -> None:
        """Send what was written last, if that takes a moment only; the next start goes on."""
        self._closing = True
        self.notify()
        end = time.monotonic() + _LAST_S
        while self._failures == 0 and not self._is_done() and time.monotonic() < end:
            time.sleep(0.05)
        self._thread.stop()
        self._close()

    def _send(self) -> float:
        """Send all that is there. Gives when to look again, in seconds since 1970."""
        now = time.time()
        if now < self._due_at:  # it was woken by what was written: that waits with the rest
            return self._due_at
        sent = _sent(self._folder)
        try:
            while not self._thread.stopping:
                batch = list(itertools.islice(records(self._folder, sent), _AT_ONCE))
                if not batch:
                    break
                sent = self._send_batch([record for record, _ in batch], batch[-1][1])
        except NotTaken as error:
            self._close()
            self._failures += 1
            audit_failed("send")
            if self._failures == 1:
                logger.warning("audit.unsent detail=%s", error)
            self._due_at = time.time() + wait_s(self._failures, self._retry)
            return self._due_at
        if self._closing or now - self._used_at > _IDLE_S:
            self._close()
        return time.time() + _LOOK_EVERY_S

    def _send_batch(self, batch: list[Record], mark: Mark) -> Mark:
        host, process = socket.gethostname(), os.getpid()
        if self._connection is not None:
            try:
                self._connection.check()
            except NotTaken:  # it was closed while there was nothing to send
                self._close()
        if self._connection is None:
            self._connection = Connection(self._settings, self._thread.sockets)
        self._connection.send([syslog_message(record, host, process) for record in batch])
        self._used_at = time.time()
        mark.write(self._folder / SENT)
        if self._failures:
            logger.info("audit.sending records=%d", mark.number)
            self._failures = 0
        return mark

    def _is_done(self) -> bool:
        """Whether all is sent, and the connection was ended as TLS asks."""
        try:
            return (
                self._connection is None
                and _head(self._folder).number <= _sent(self._folder).number
            )
        except OSError:
            return True

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _complain(self, error: Exception) -> None:
        self._close()
        audit_failed("send")
        logger.error("audit.unsent detail=%s", describe_fault(error))


def unsent(folder: Path) -> tuple[int, float | None]:
    """How many records the collector does not have, and when the oldest of them happened.

    Raises
    ------
    OSError
    """
    sent, head = _sent(folder), _head(folder)
    if head.number <= sent.number:
        return 0, None
    oldest = next((record.at for record, _ in records(folder, sent)), None)
    return head.number - sent.number, oldest


def _sent(folder: Path) -> Mark:
    try:
        return Mark.read(folder / SENT) or Mark()
    except DamagedMark:  # rather twice than not at all
        return Mark()


def _head(folder: Path) -> Mark:
    try:
        return Mark.read(folder / HEAD) or Mark()
    except DamagedMark:
        return Mark()
