"""Pausing pynetdicom's reactor for certain: no answer is taken from who waits for it.

The reactor thread of an association looks for requests of the peer; who sends one pauses it first,
and waits until it is paused. pynetdicom 3.0 keeps that in a flag which the reactor writes in two
steps, and which the thread that serves a report writes as well. Who pauses in between believes in
a pause that is none: an answer that comes at once is taken by the reactor, called unexpected, and
waited for in vain until the time-out. Or the pause has long begun, and is waited for for ever.
"""

from __future__ import annotations

import threading

from pynetdicom.association import Association

_PATIENCE_S = 5.0


class ReactorPause(threading.Event):
    """Takes the place of an association's checkpoint, and of its word on whether it is paused.

    Asking whether it may go on and no longer counting as paused are one step, which a pause comes
    before or after.

    Parameters
    ----------
    association : Association
        That has been started.
    """

    def __init__(self, association: Association) -> None:
        super().__init__()
        self._association = association
        self._step = threading.Lock()
        self._waits = False
        self._used = threading.Event()
        self.set()

    def clear(self) -> None:
        """Pause."""
        with self._step:
            super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it may go on; of the reactor, which then counts as running."""
        self._waits = True
        self._used.set()
        while True:
            if not super().wait(timeout):
                self._waits = False
                return False
            with self._step:
                if self.is_set():
                    self._waits = False
                    return True

    def holds(self) -> bool:
        """Whether the reactor takes nothing from the caller until it may go on.

        It is held here, it has ended, or it is the caller.
        """
        if threading.current_thread() is self._association or not self._association.is_alive():
            return True
        with self._step:
            return self._waits and not self.is_set()

    def put_in_place(self) -> None:
        """Let the association's reactor go by this one from now on."""
        self._association._reactor_checkpoint = self
        self._association.__class__ = _PausableAssociation
        self._used.wait(_PATIENCE_S)


class _PausableAssociation(Association):
    """An association that asks its checkpoint whether its reactor is paused.

    pynetdicom makes and starts associations by itself: one becomes this afterwards.
    """

    @property
    def _is_paused(self) -> bool:
        return self._reactor_checkpoint.holds()

    @_is_paused.setter
    def _is_paused(self, said: bool) -> None:
        """Leave what pynetdicom says, of the reactor or not."""
