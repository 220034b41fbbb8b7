"""The composition root: joins the parts of one process, starts and stops them in order."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Self

from dicomnode.backup import refuse_unfinished_restore
from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.parts.ground import Ground
from dicomnode.parts.receiving import Receiving
from dicomnode.parts.web import web_service
from dicomnode.parts.working import Working
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import StoreLock
from dicomnode.store.upgrade import upgrade_database
from dicomnode.version import VERSION

logger = logging.getLogger(__name__)


class Node:
    """One running node.

    Parameters
    ----------
    settings : NodeSettings
    configuration : Path, optional
        The file that they were read from.
    """

    def __init__(self, settings: NodeSettings, configuration: Path | None = None) -> None:
        self.settings = settings
        self._configuration = configuration
        self._lock = StoreLock(settings.store.path)
        self._ground = Ground.of(settings)
        self.database = self._ground.database
        self.working = Working(self._ground)
        self.receiving = Receiving(self._ground, self.working.stored, self.working.reported)
        self._vitals = Vitals(
            root=settings.store.path,
            reserve_bytes=settings.store.reserve_mb * 2**20,
            database=self.database,
            scheduler_runs=lambda: self._ground.scheduler.running,
            threads=(*self.working.threads, *self.receiving.threads),
            receiver=self.receiving.vitals,
            worker=self.working.vitals,
        )
        self._health = Health(self._vitals)
        self._web = web_service(settings, self._vitals, self._health)

    @property
    def unwell(self) -> str | None:
        """What `/health/live` finds missing, which only a restart mends; None where nothing is."""
        return "; ".join(c.reason for c in self._health.live() if not c.passed) or None

    @property
    def status(self) -> str:
        """One line for people on what it does."""
        return f"{self.receiving.status}, {self.working.status}"

    @property
    def port(self) -> int:
        """The port that the node listens on."""
        return self.receiving.scp.port

    @property
    def tls_port(self) -> int | None:
        """The port where associations with TLS are taken; None where there is none."""
        return self.receiving.scp.tls_port

    @property
    def web_port(self) -> int | None:
        """The port of the web service; None where there is none."""
        return None if self._web is None else self._web.port

    def start(self) -> None:
        """Resume what a former life left, then listen.

        Raises
        ------
        OSError
            If the address cannot be listened on, or the store is another process's or cannot be
            written.
        dicomnode.backup.NotRestored
            If a restore was broken off.
        dicomnode.store.upgrade.UpgradeError
            If the database cannot be brought to the version of this software.
        """
        self._lock.acquire()
        refuse_unfinished_restore(self.settings.store.path)
        upgrade_database(self.settings.store.url, self.settings.store.copies)
        made = self.working.prepare()
        received, reconciled = self.receiving.prepare()
        self._ground.scheduler.start()
        self.working.start(self._configuration)
        self.receiving.start()
        self.working.start_asking()
        if self._web is not None:
            self._web.start()
        logger.info(
            "node.started version=%s port=%d swept=%d reconciled=%d",
            VERSION,
            self.port,
            made + received,
            reconciled,
        )

    def stop(self) -> None:
        """Stop what talks to peers first, then what brings work; all resumes at a start."""
        if self._web is not None:
            self._web.stop()
        self.working.ask_to_stop()
        self.receiving.ask_to_stop()
        # Nobody is asked to commit any more once the receiver takes no reports.
        self.working.stop_asking()
        self.receiving.stop()
        self.working.stop()
        self._ground.close()
        self._lock.release()
        logger.info("node.stopped")

    def __enter__(self) -> Self:
        """Start; what had started is stopped again if something cannot."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    def deliver(self) -> None:
        """Look for deliveries that somebody else has queued."""
        self.working.deliver()

    def reload_rules(self, configuration: Path) -> bool:
        """Go by the rules of a file from now on; where it is wrong the old ones stay.

        No association is touched. A lesion keeps the rule that it was given.
        """
        return self.working.reload_rules(configuration)

    def reload_certificates(self) -> bool:
        """Read certificates, keys and authorities of what listens again; what is open goes on.

        What the node calls others with is read for each association.
        """
        taken = self.receiving.reload_certificates()
        return (self._web is None or self._web.reload_certificate()) and taken
