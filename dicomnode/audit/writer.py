"""The trail in use: a thread of its own writes what is noted, so that nobody waits for a disk."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from dicomnode.audit.document import write
from dicomnode.audit.elements import Source
from dicomnode.audit.files import Mark
from dicomnode.audit.journal import Entry, Journal
from dicomnode.audit.messages import Alert, Message, SecurityAlert
from dicomnode.audit.participants import Outcome, Participant
from dicomnode.audit.record import Forgotten
from dicomnode.audit.repeats import Repeats
from dicomnode.audit.trail import NotAudited
from dicomnode.audit.transfers import Transfers
from dicomnode.faults import describe_fault
from dicomnode.metrics.counted import audit_failed, audited

logger = logging.getLogger(__name__)

_MOST_WAITING = 50_000
"""Messages that are kept in memory while the disk takes none; about 50 MB."""
_PAUSE_AFTER_FAULT_S = 5.0
_TICK_S = 1.0


class AuditTrail:
    """Keeps the audit trail of a node.

    Usable without `start` by a command, which notes durably.

    Parameters
    ----------
    folder : Path
        Of the journal.
    source : Source
    segment_bytes : int
        See `Journal`.
    flush_s : float
        How long messages may wait for others to be written with.
    on_written : callable
        Called when something was written; must be quick.
    """

    def __init__(
        self,
        folder: Path,
        source: Source,
        segment_bytes: int,
        flush_s: float = 1.0,
        on_written: Callable[[], object] = lambda: None,
    ) -> None:
        self._source = source
        self._flush_s = flush_s
        self._on_written = on_written
        self._journal = Journal(folder, segment_bytes, self._mended)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Message, float]] = deque()
        self._open: set[Transfers] = set()
        self._repeats = Repeats()
        self._lost = 0
        self._failing_since: float | None = None
        self._writing = threading.Lock()
        self._stopping = False
        self._last: Message | None = None
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)

    @property
    def folder(self) -> Path:
        """Where the journal lies."""
        return self._journal.folder

    @property
    def waiting(self) -> int:
        """Messages that are not on disk yet."""
        return len(self._waiting)

    @property
    def failing_since(self) -> float | None:
        """Since when nothing could be written, in seconds since 1970; None where it can."""
        return self._failing_since

    def start(self) -> None:
        """Look at what a crash left, and write from now on what is noted.

        Also where nothing can be written now: what is noted is kept, and it is tried again.
        """
        self._write_or_complain()
        self._thread.start()

    def stop(self, last: Message | None = None) -> None:
        """Write what is noted until now, and a last message after all that, and end."""
        with self._changed:
            self._stopping, self._last = True, last
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        if self._waiting:
            logger.error("audit.lost messages=%d", self.waiting)

    def note(self, message: Message) -> None:
        """Take a message; it is written within a second or so. Returns at once, raises nothing."""
        now = time.time()
        with self._changed:
            if not self._repeats.admits(message, now):
                return
        self._note(message, now)

    def note_durably(self, message: Message) -> None:
        """Write a message after all that were noted before, and return once it is on disk.

        Raises
        ------
        NotAudited
        """
        try:
            entry = self._entry(message, time.time())
            self._write([entry])
        except OSError as error:
            raise NotAudited(
                error.errno, f"the audit trail cannot be written ({describe_fault(error)})"
            ) from error
        audited(type(message).__name__)

    def transfers(self, peer: Participant, sends: bool, node_asked: bool = False) -> Transfers:
        """Collect what goes over an association with a peer; the caller ends it."""
        transfers = Transfers(self._note, peer, sends, node_asked, self._closed)
        with self._changed:
            self._open.add(transfers)
            self._changed.notify()
        return transfers

    def forget(self, forgotten: Forgotten, words: str) -> Mark:
        """Write durably that records are let go. Raises OSError."""
        message = SecurityAlert(Alert.SECURITY_CONFIGURATION, words)
        at = time.time()
        return self._write([Entry(at, write(message, at, self._source), forgotten)])

    def _closed(self, transfers: Transfers) -> None:
        with self._changed:
            self._open.discard(transfers)

    def _note(self, message: Message, at: float) -> None:
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._lost += 1
                return
            self._waiting.append((message, at))
            if len(self._waiting) == 1:
                self._changed.notify()

    def _mended(self, words: str) -> Entry:
        """The journal was not as it should be: say so in the log and in the journal itself."""
        logger.error("audit.mended detail=%s", words)
        at = time.time()
        alert = SecurityAlert(Alert.RECORDING_STARTED, words, outcome=Outcome.MAJOR_FAILURE)
        return Entry(at, write(alert, at, self._source))

    def _entry(self, message: Message, at: float) -> Entry:
        return Entry(at, write(message, at, self._source))

    def _entry_or_none(self, message: Message, at: float) -> Entry | None:
        """A message that cannot be told holds up no other."""
        try:
            return self._entry(message, at)
        except Exception as error:
            audit_failed("message")
            logger.error(
                "audit.untold message=%s %s", type(message).__name__, describe_fault(error)
            )
            return None

    def _write(self, more: list[Entry]) -> Mark:
        """Write what waits, and more after it."""
        with self._writing:
            with self._changed:
                taken = list(self._waiting)
                lost = self._lost
            entries = [e for message, at in taken if (e := self._entry_or_none(message, at))]
            if lost:
                entries.append(self._entry(_of_lost(lost), time.time()))
            mark = self._journal.append([*entries, *more])
            with self._changed:
                for _ in taken:
                    self._waiting.popleft()
                self._lost -= lost
        for message, _ in taken:
            audited(type(message).__name__)
        if self._failing_since is not None:
            logger.info("audit.resumed lost=%d", lost)
            self._failing_since = None
        if entries or more:
            self._on_written()
        return mark

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._open or self._repeats.pending or self._stopping):
                    self._changed.wait()
                if not self._stopping:
                    # Others join; and who waits for a durable note is not held up by this.
                    self._changed.wait_for(
                        lambda: self._stopping, _TICK_S if not self._waiting else self._flush_s
                    )
                stopping, open_now = self._stopping, list(self._open)
            self._note_what_lasts(open_now, stopping)
            written = not self._waiting or self._write_or_complain()
            if stopping:
                return
            if not written:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, _PAUSE_AFTER_FAULT_S)

    def _note_what_lasts(self, open_now: list[Transfers], stopping: bool) -> None:
        """Transfers that take long, and alerts that were repeated."""
        now = time.time()
        for transfers in open_now:
            transfers.tell_of_long(now)
        with self._changed:
            due = self._repeats.due(now, stopping)
        for message in due:
            self._note(message, now)
        if stopping and self._last is not None:
            self._note(self._last, now)

    def _write_or_complain(self) -> bool:
        try:
            self._write([])
        except Exception as error:  # whatever it is, it is tried again
            audit_failed("write")
            if self._failing_since is None:
                self._failing_since = time.time()
                logger.error("audit.failed waiting=%d %s", self.waiting, describe_fault(error))
            return False
        return True


def _of_lost(number: int) -> SecurityAlert:
    return SecurityAlert(
        Alert.RECORDING_STOPPED,
        f"{number} audit messages were lost: the disk took none, and no more could be kept",
        outcome=Outcome.MAJOR_FAILURE,
    )
