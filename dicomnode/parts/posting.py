"""The side of the web part that keeps what is posted to it, as the receiver keeps what is sent."""

from __future__ import annotations

from collections.abc import Callable

from dicomnode.parts.ground import Ground
from dicomnode.receive.intake import Intake
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance


class Posting:
    """Owns the folder of objects that are being posted.

    Parameters
    ----------
    ground : Ground
    on_stored : callable
        Given each instance that was stored; must be quick.

    Attributes
    ----------
    intake : Intake
        The way in: validated, made durable and indexed, while there is room.
    """

    def __init__(self, ground: Ground, on_stored: Callable[[ReceivedInstance], None]) -> None:
        store = ground.settings.store
        self._files = FileStore(store.path, store.reserve_mb * 2**20, incoming="posted")
        self.intake = Intake(self._files, ground.index, on_stored, ground.pressure)

    def prepare(self) -> int:
        """Remove what a former life left half written; give how many files."""
        return self._files.sweep()
