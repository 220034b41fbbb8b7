"""The composition root: joins the parts of one process, starts and stops them in order."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path
from typing import Self

from dicomnode.health.beat import Heartbeat, forget_beats
from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.parts.ground import Ground
from dicomnode.parts.ownership import own
from dicomnode.parts.posting import Posting
from dicomnode.parts.receiving import Receiving
from dicomnode.parts.web import Web
from dicomnode.parts.working import Working
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import ROLES, Role, StoreLock
from dicomnode.version import VERSION
from dicomnode.waking.sender import WakeSender

logger = logging.getLogger(__name__)


class Node:
    """One running node, or a part of one: other processes play the other roles on the same store.

    Parameters
    ----------
    settings : NodeSettings
    configuration : Path, optional
        The file that they were read from.
    roles : collection of Role
        What this process does.

    Attributes
    ----------
    receiving : Receiving or None
    working : Working or None
    posting : Posting or None
        The web part's way in.
    """

    def __init__(
        self,
        settings: NodeSettings,
        configuration: Path | None = None,
        roles: Collection[Role] = ROLES,
    ) -> None:
        self.settings = settings
        self.roles = tuple(role for role in ROLES if role in roles)
        root = settings.store.path
        self._configuration = configuration
        self._lock: StoreLock | None = None
        self._ground = Ground.of(settings, self.roles)
        self.database = self._ground.database
        self.audit = self._ground.audit
        self.working = self.receiving = self.posting = self._sender = None
        if Role.WORKER in self.roles:
            self.working = Working(self._ground, hears=not self.is_whole)
        else:
            self._sender = WakeSender(root)
        told = self.working or self._sender
        if Role.RECEIVER in self.roles:
            self.receiving = Receiving(self._ground, told.stored, told.reported)
        if Role.WEB in self.roles:
            self.posting = Posting(self._ground, told.stored)
        self._vitals = self._make_vitals()
        self._health = Health(self._vitals)
        self._web = Web(self._ground, self._vitals, self._health, self.roles, self.posting)
        self._heartbeat = Heartbeat(
            root,
            self.roles,
            self._ground.scheduler,
            lambda: self.status,
            lambda: self.unwell,
        )

    @property
    def unwell(self) -> str | None:
        """What `/health/live` finds missing, which only a restart mends; None where nothing is."""
        return "; ".join(c.reason for c in self._health.live() if not c.passed) or None

    @property
    def status(self) -> str:
        """One line for people on what it does."""
        said = [part.status for part in self._parts]
        if Role.WEB in self.roles and not self.is_whole:
            web = self.settings.web
            said.append(f"answers on {web.socket or f'{web.host} port {self.web_port}'}")
        return ", ".join(said)

    @property
    def is_whole(self) -> bool:
        """Whether this process plays every role."""
        return self.roles == ROLES

    @property
    def port(self) -> int | None:
        """The port that the node listens on; None where it does not receive."""
        return None if self.receiving is None else self.receiving.scp.port

    @property
    def tls_port(self) -> int | None:
        """The port where associations with TLS are taken; None where there is none."""
        return None if self.receiving is None else self.receiving.scp.tls_port

    @property
    def web_port(self) -> int | None:
        """The port of the web service; None where there is none."""
        return self._web.port

    @property
    def _parts(self) -> list[Working | Receiving]:
        return [part for part in (self.receiving, self.working) if part is not None]

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
        self._lock = own(self.settings, self.roles)
        forget_beats(self.settings.store.path, self.roles)
        self._ground.start()
        swept = 0
        if self.working is not None:
            swept += self.working.prepare()
        if self.posting is not None:
            swept += self.posting.prepare()
        if self.receiving is not None:
            swept += self.receiving.prepare()
        if self.working is not None:
            self.working.start(self._configuration)
        if self._sender is not None:
            self._sender.start()
        if self.receiving is not None:
            self.receiving.start()
        if self.working is not None:
            self.working.start_asking()
        self._web.start()
        if not self.is_whole:
            self._heartbeat.start()
        logger.info(
            "node.started version=%s parts=%s port=%s swept=%d",
            VERSION,
            "+".join(self.roles),
            self.port,
            swept,
        )

    def stop(self) -> None:
        """Stop what talks to peers first, then what brings work; all resumes at a start."""
        self._web.stop()
        for part in self._parts:
            part.ask_to_stop()
        # Nobody is asked to commit any more once the receiver takes no reports.
        if self.working is not None:
            self.working.stop_asking()
        for part in self._parts:
            part.stop()
        if self._sender is not None:
            self._sender.stop()
        self._ground.close()
        if self._lock is not None:
            self._heartbeat.stop()
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
        if self.working is not None:
            self.working.deliver()

    def reload_rules(self, configuration: Path) -> bool:
        """Go by the rules of a file from now on; where it is wrong the old ones stay.

        No association is touched. A lesion keeps the rule that it was given. Only the worker goes
        by rules, so that no two parts go by different ones.
        """
        return self.working is None or self.working.reload_rules(configuration)

    def reload_certificates(self) -> bool:
        """Read certificates, keys and authorities of what listens again; what is open goes on.

        What the node calls others with is read for each association.
        """
        taken = self.receiving is None or self.receiving.reload_certificates()
        return self._web.reload_certificate() and taken

    def _make_vitals(self) -> Vitals:
        settings = self.settings
        threads = [name for part in self._parts for name in part.threads]
        threads.extend(self._ground.audit.threads)
        if self._sender is not None:
            threads.append(self._sender.name)
        if Role.WEB in self.roles and settings.web.served:
            threads.append("web")
        return Vitals(
            root=settings.store.path,
            reserve_bytes=settings.store.reserve_mb * 2**20,
            database=self.database,
            scheduler_runs=lambda: self._ground.scheduler.running,
            threads=tuple(threads),
            receiver=None if self.receiving is None else self.receiving.vitals,
            worker=None if self.working is None else self.working.vitals,
            elsewhere=tuple(role for role in ROLES if role not in self.roles)
            if Role.WEB in self.roles
            else (),
        )
