"""Takes hints in the worker's process."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from dicomnode.faults import describe_fault
from dicomnode.store.lock import Role
from dicomnode.waking.door import open_door
from dicomnode.waking.hint import Hint

logger = logging.getLogger(__name__)

_LONGEST = 2**18


class WakeListener:
    """Hears what receiver and web say, in a thread of its own.

    Parameters
    ----------
    root : Path
        The store.
    on_hint : callable
        Given each hint; must be quick.
    """

    def __init__(self, root: Path, on_hint: Callable[[Hint], None]) -> None:
        self._root = root
        self._on_hint = on_hint
        self._door: socket.socket | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._listen, name="wake", daemon=True)

    @property
    def name(self) -> str:
        """Of its thread."""
        return self._thread.name

    def start(self) -> None:
        """Hear from now on: before the first look at the rows, so that nothing falls in between.

        Raises
        ------
        OSError
            If the store cannot be written.
        """
        self._door = open_door(self._root, Role.WORKER)
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing any more. Safe to repeat."""
        if self._door is None:
            return
        self._stopping = True
        self._door.shutdown(socket.SHUT_RD)
        self._thread.join()
        self._door.close()
        self._door = None

    def _listen(self) -> None:
        while not self._stopping:
            try:
                datagram = self._door.recv(_LONGEST)
                if self._stopping:
                    return
                self._on_hint(Hint.decoded(datagram))
            except Exception as error:  # whatever it is: rows are looked at all the same
                logger.warning("wake.unheard %s", describe_fault(error))
                if not isinstance(error, ValueError):
                    threading.Event().wait(1)
