"""Wakes the worker from the process of a part that stores."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from pathlib import Path

from dicomnode.faults import describe_fault
from dicomnode.store.lock import Role
from dicomnode.store.received import ReceivedInstance
from dicomnode.waking.door import NobodyThere, knock
from dicomnode.waking.hint import Hint
from dicomnode.woken_thread import WokenThread

logger = logging.getLogger(__name__)

GATHER_S = 0.1
"""Pause between two hints, so that a stream of instances costs ten a second and not one each."""

_MOST = 20_000
"""UIDs that are kept for a worker that hangs; from then on everything may be new to it."""


class WakeSender:
    """Gathers what is new, and tells the worker in a thread of its own.

    Who stores an instance adds to a set, and waits for nothing.

    Parameters
    ----------
    root : Path
        The store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._uids: set[str] = set()
        self._arrived: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._reports: list[tuple[str, str]] = []
        # A former life may have died between a row and its hint.
        self._everything = True
        self._thread = WokenThread("wake-worker", self._tell, self._complain, GATHER_S)

    @property
    def name(self) -> str:
        """Of its thread."""
        return self._thread.name

    def start(self) -> None:
        """Begin by saying that anything may be new."""
        self._thread.wake()
        self._thread.start()

    def stop(self) -> None:
        """Tell what is left."""
        self._thread.stop()
        try:
            self._tell()
        except OSError as error:
            self._complain(error)

    def stored(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once."""
        header = received.header
        with self._lock:
            self._uids.add(header.sop_instance_uid)
            self._uids.add(header.series_instance_uid)
            if header.frame_of_reference_uid:
                self._uids.add(header.frame_of_reference_uid)
            if header.concatenation_source_uid:
                self._uids.add(header.concatenation_source_uid)
            count = self._arrived[header.series_instance_uid]
            count[0] += 1
            count[1] += received.size
        self._thread.wake()

    def reported(self, destination: str, transaction_uid: str) -> None:
        """Say that a peer's report was written down. Returns at once."""
        with self._lock:
            self._reports.append((destination, transaction_uid))
        self._thread.wake()

    def _tell(self) -> None:
        hint = self._taken()
        if hint == Hint():
            return
        try:
            knock(self._root, Role.WORKER, hint.encoded())
        except NobodyThere:
            return
        except OSError:
            self._put_back(hint)
            raise

    def _taken(self) -> Hint:
        with self._lock:
            hint = Hint(
                tuple(self._uids),
                tuple((series, *count) for series, count in self._arrived.items()),
                tuple(self._reports),
                self._everything,
            )
            self._uids.clear()
            self._arrived.clear()
            self._reports.clear()
            self._everything = False
        return hint

    def _put_back(self, hint: Hint) -> None:
        """Tell it again, though a part of it may have been heard.

        But for counts, which would count twice: what a retrieval may take is bounded in time, too.
        """
        with self._lock:
            self._everything |= hint.everything or len(self._uids) + len(hint.uids) > _MOST
            if self._everything:
                self._uids.clear()
                self._reports.clear()
            else:
                self._uids.update(hint.uids)
                self._reports.extend(hint.reports)

    def _complain(self, error: Exception) -> None:
        """It hangs, or is overrun: it is told again, and looks by itself besides."""
        logger.debug("wake.failed %s", describe_fault(error))
        if not self._thread.stopping:
            self._thread.wake()
