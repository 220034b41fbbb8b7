"""What all parts of one process stand on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Self

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.schedulers.base import BaseScheduler

from dicomnode.parts.receiver_settings import watermarks_of
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.settings import NodeSettings
from dicomnode.store.backlog import backlog
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex


@dataclass(frozen=True)
class Ground:
    """One of each in a process, however many parts run in it.

    Attributes
    ----------
    settings : NodeSettings
    database : Database
    index : InstanceIndex
        What was received.
    scheduler : apscheduler scheduler
        Wakes what is due.
    pressure : Pressure
        How much is taken.
    """

    settings: NodeSettings
    database: Database
    index: InstanceIndex
    scheduler: BaseScheduler
    pressure: Pressure

    @classmethod
    def of(cls, settings: NodeSettings) -> Self:
        """Make what the settings say; nothing is opened or started yet."""
        database = Database(settings.store.url)

        def free_bytes() -> int:
            """Of the fullest disk that the node writes to."""
            return min(shutil.disk_usage(place).free for place in settings.store.places)

        def waiting_rows() -> int:
            with database.read() as session:
                return backlog(session, settings.pressure.nothing_backlog)

        return cls(
            settings=settings,
            database=database,
            index=InstanceIndex(database, CT_CLASSES),
            scheduler=BackgroundScheduler(timezone="UTC"),
            pressure=Pressure(watermarks_of(settings), free_bytes, waiting_rows),
        )

    def close(self) -> None:
        """Stop waking, and close the database. Safe to repeat."""
        if self.scheduler.running:
            self.scheduler.shutdown()
        self.database.close()
