"""Pausing pynetdicom's reactor for certain: no answer is taken from who waits for it.

The reactor thread of an association looks for requests of the peer; who sends one pauses it first.
In pynetdicom 3.0 the reactor says that it is paused, asks whether it may go on, and then says that
it is not. Who pauses it between the two believes it paused: an answer that comes at once is taken
by the reactor, called unexpected, and waited for in vain until the time-out.
"""

from __future__ import annotations

import threading

from pynetdicom.association import Association

_PATIENCE_S = 5.0


class ReactorPause(threading.Event):
    """Takes the place of an association's checkpoint.

    Asking whether it may go on and no longer counting as paused are one step, which a pause comes
    before or after.

    Parameters
    ----------
    association : Association
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._step = threading.Lock()
        self._used = threading.Event()
        self.set()

    def clear(self) -> None:
        """Pause."""
        with self._step:
            super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it may go on; of the reactor, which then counts as running."""
        self._used.set()
        while True:
            if not super().wait(timeout):
                return False
            with self._step:
                if self.is_set():
                    self._association._is_paused = False
                    return True

    def put_in_place(self) -> None:
        """Let the association's reactor go by this one from now on."""
        self._association._reactor_checkpoint = self
        self._used.wait(_PATIENCE_S)
