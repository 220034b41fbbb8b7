"""What all parts of one process stand on."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.audit.service import AuditService
from dicomnode.parts.receiver_settings import watermarks_of
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.settings import NodeSettings
from dicomnode.store.backlog import backlog
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.lock import ROLES, Role
from dicomnode.timing import CallScheduler


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
    audit : AuditService
        Keeps who did what to which study.
    """

    settings: NodeSettings
    database: Database
    index: InstanceIndex
    scheduler: BaseScheduler
    pressure: Pressure
    audit: AuditService

    @classmethod
    def of(cls, settings: NodeSettings, roles: Collection[Role] = ROLES) -> Self:
        """Make what the settings say for a process of some roles; nothing is started yet."""
        database = Database(settings.store.url)
        scheduler = CallScheduler()

        places = [str(place) for place in settings.store.places]

        def free_bytes() -> int:
            """Of the fullest disk that the node writes to."""
            looks = [os.statvfs(place) for place in places]
            return min(look.f_bavail * look.f_frsize for look in looks)

        def waiting_rows() -> int:
            with database.read() as session:
                return backlog(session, settings.pressure.nothing_backlog)

        return cls(
            settings=settings,
            database=database,
            index=InstanceIndex(database, CT_CLASSES),
            scheduler=scheduler,
            pressure=Pressure(watermarks_of(settings), free_bytes, waiting_rows),
            audit=AuditService(settings, database, scheduler, keeps=Role.WORKER in roles),
        )

    def start(self) -> None:
        """Wake what is due, and audit, from now on."""
        self.scheduler.start()
        self.audit.start()

    def close(self) -> None:
        """Write the end of the audit, stop waking, close the database. Safe to repeat."""
        self.audit.stop()
        if self.scheduler.running:
            self.scheduler.shutdown()
        self.database.close()
