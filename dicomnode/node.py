"""The composition root: builds every service, starts and stops them in order."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Self

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import func, select
from starlette.routing import BaseRoute

from dicomnode.alerts.watch import AlertWatch
from dicomnode.backup import refuse_unfinished_restore
from dicomnode.collect.collector import Collector
from dicomnode.commit.provider import CommitmentProvider
from dicomnode.deliver.commitment_reports import CommitmentReports
from dicomnode.deliver.confirmer import Confirmer
from dicomnode.deliver.courier import Courier
from dicomnode.deliver.outbox import OPEN
from dicomnode.deliver.prober import Prober
from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals, service_threads
from dicomnode.housekeeper import Housekeeper
from dicomnode.jobs.dispatcher import Dispatcher
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.hand_watch import HandWatch
from dicomnode.jobs.lesion_queue import Folders
from dicomnode.jobs.network_place import say_where_networks_run
from dicomnode.jobs.summariser import Summariser
from dicomnode.jobs.variants import Ladders
from dicomnode.jobs.worker import Limits
from dicomnode.metrics.registry import metrics_of
from dicomnode.receive.callers import CallerRule, Callers
from dicomnode.receive.intake import Intake
from dicomnode.receive.pressure import Pressure, Watermarks
from dicomnode.receive.reconcile import reconcile
from dicomnode.receive.scp import ReceiverSettings, StorageSCP
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.refusals.reporter import RefusalReporter
from dicomnode.retention.keeper import Keeper
from dicomnode.retention.purge import finish_purges
from dicomnode.retrieve.retriever import Retriever
from dicomnode.routing import RulesInForce
from dicomnode.rule_reload import RuleReload
from dicomnode.settings import NodeSettings
from dicomnode.store.backlog import backlog
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore, sweep_parts
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.lock import StoreLock
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.tables import Delivery
from dicomnode.store.upgrade import upgrade_database
from dicomnode.tls.in_force import ServerTLS
from dicomnode.version import VERSION
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile, tokens_path
from dicomnode.web.application import application as web_application
from dicomnode.web.dicomweb import dicomweb_of
from dicomnode.web.operator.routes import operator_routes
from dicomnode.web.service import WebService

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
        self._rules = RulesInForce(settings.routes)
        self._rule_reload = RuleReload(settings, self._rules)
        root = settings.store.path
        self._lock = StoreLock(root)
        self._files = FileStore(root, settings.store.reserve_mb * 2**20)
        self.database = Database(settings.store.url)
        self._index = InstanceIndex(self.database, CT_CLASSES)
        self._pressure = Pressure(_watermarks(settings), self._free_bytes, self._backlog)
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._engine = ProcessEngine(
            settings.segment.processes,
            {rule.method for rule in settings.rules},
            Limits(settings.segment.seconds, settings.segment.memory_mb),
            settings.segment.stop_s,
        )
        reports = CommitmentReports(self.database, settings, self._on_report)
        self._confirmers = [
            Confirmer(self.database, self._scheduler, destination, settings, reports.take)
            for destination in settings.destinations
        ]
        self._couriers = [
            Courier(self.database, self._scheduler, destination, settings, confirmer.notify)
            for destination, confirmer in zip(settings.destinations, self._confirmers, strict=True)
        ]
        self._provider = CommitmentProvider(self.database, self._scheduler, settings, reports.take)
        self._prober = Prober(self.database, self._scheduler, settings)
        self._housekeeper = Housekeeper(self.database, self._scheduler, settings)
        self._keeper = Keeper(self.database, self._scheduler, settings)
        self._alerts = AlertWatch(self.database, self._scheduler, settings)
        self._hand_watch = HandWatch(self.database, self._scheduler, self._on_hand)
        folders = Folders(soft_masks=root / "soft_masks", results=root / "results")
        self._made = (folders.soft_masks, folders.results, root / "status")
        ladders = Ladders(settings.destinations, settings.publish)
        self._dispatcher = Dispatcher(
            self.database,
            self._engine,
            self._scheduler,
            folders,
            settings.segment,
            ladders,
            self._on_work,
            self._on_given_up,
            settings.networks.options,
        )
        self._summariser = Summariser(
            self.database,
            self._engine,
            self._scheduler,
            ladders,
            folders.results,
            settings.segment.attempts,
            self._on_summary,
        )
        self._refusals = RefusalReporter(
            self.database,
            self._scheduler,
            self._rules,
            settings.destinations,
            settings.publish,
            folders.results,
            settings.segment.attempts,
            self._on_summary,
        )
        intake = Intake(self._files, self._index, self._on_stored, self._pressure)
        self._retriever = Retriever(
            self.database,
            self._scheduler,
            settings,
            intake,
            self._on_asked,
        )
        self._collector = Collector(
            self.database,
            self._scheduler,
            settings.collect,
            self._rules,
            self._on_work,
            self._retriever.notify,
            self._retriever.is_to_ask,
            self._engine.submit,
            self._refusals.notify,
        )
        self._tls = None if settings.tls.port is None else ServerTLS(settings.tls)
        self._receiver = StorageSCP(
            _receiver_settings(settings),
            self._files,
            self._index,
            self._on_stored,
            self._provider,
            self._tls,
            self._pressure,
            _callers(settings),
        )

        self._vitals = Vitals(
            root=self._files.root,
            reserve_bytes=self._files.reserve_bytes,
            database=self.database,
            listening=lambda: self._receiver.listening,
            associations=lambda: self._receiver.associations,
            max_associations=settings.listen.max_associations,
            workers_alive=lambda: self._engine.alive,
            workers=self._engine.processes,
            scheduler_runs=lambda: self._scheduler.running,
            threads=service_threads(
                [destination.name for destination in settings.destinations], bool(settings.sources)
            ),
            pressure=self._pressure,
            certificate_end=lambda: inf if self._tls is None else self._tls.certificate_end,
        )
        self._health = Health(self._vitals)
        self._web = _web_service(
            settings, self._vitals, self._health, dicomweb_of(settings, self.database, intake)
        )

    @property
    def unwell(self) -> str | None:
        """What `/health/live` finds missing, which only a restart mends; None where nothing is."""
        return "; ".join(c.reason for c in self._health.live() if not c.passed) or None

    @property
    def status(self) -> str:
        """One line for people on what it does."""
        listen, vitals = self.settings.listen, self._vitals
        return (
            f"listens as {listen.ae_title} on {listen.host} port {self.port}, "
            f"{vitals.associations()} of {vitals.max_associations} associations, "
            f"{vitals.workers_alive()} of {vitals.workers} worker processes"
        )

    @property
    def port(self) -> int:
        """The port that the node listens on."""
        return self._receiver.port

    @property
    def tls_port(self) -> int | None:
        """The port where associations with TLS are taken; None where there is none."""
        return self._receiver.tls_port

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
        # Before the index is told of files that it does not know.
        finish_purges(self.database)
        swept = self._files.sweep() + sum(map(sweep_parts, self._made))
        reconciled = reconcile(self._files, self._index)
        self._warn_of_orphans()
        self._rule_reload.started(self._configuration)
        self._scheduler.start()
        for courier in self._couriers:
            courier.start()
        self._provider.start()
        self._dispatcher.start()
        say_where_networks_run(self.settings, self._engine.submit)
        self._summariser.start()
        self._refusals.start()
        self._collector.start()
        self._receiver.start()
        # A peer may report a commitment the moment it is asked, once, to the receiver.
        for confirmer in self._confirmers:
            confirmer.start()
        self._retriever.start()
        self._prober.start()
        self._housekeeper.start()
        self._keeper.start()
        self._hand_watch.start()
        self._alerts.start()
        if self._web is not None:
            self._web.start()
        logger.info(
            "node.started version=%s port=%d swept=%d reconciled=%d",
            VERSION,
            self.port,
            swept,
            reconciled.indexed,
        )

    def stop(self) -> None:
        """Stop what talks to peers first, then what brings work; all resumes at a start."""
        if self._web is not None:
            self._web.stop()
        callers = [*self._confirmers, *self._couriers, self._prober, self._provider]
        for service in (*callers, self._housekeeper, self._keeper, self._alerts):
            service.ask_to_stop()
        # Nobody is asked to commit any more once the receiver takes no reports.
        for confirmer in self._confirmers:
            confirmer.stop()
        self._retriever.stop()
        self._receiver.stop()
        self._collector.stop()
        self._summariser.ask_to_stop()
        self._dispatcher.stop()
        self._summariser.stop()
        self._refusals.stop()
        for service in (*callers, self._housekeeper, self._keeper, self._alerts):
            service.stop()
        if self._scheduler.running:
            self._scheduler.shutdown()
        self.database.close()
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
        for courier in self._couriers:
            courier.notify()

    def reload_rules(self, configuration: Path) -> bool:
        """Go by the rules of a file from now on; where it is wrong the old ones stay.

        No association is touched. A lesion keeps the rule that it was given.
        """
        taken = self._rule_reload.reload(configuration)
        if taken:
            say_where_networks_run(
                self.settings.model_copy(update={"rules": tuple(self._rules)}), self._engine.submit
            )
            self._refusals.notify()
        return taken

    def reload_certificates(self) -> bool:
        """Read certificates, keys and authorities of what listens again; what is open goes on.

        What the node calls others with is read for each association.
        """
        taken = self._tls is None or self._tls.reload()
        return (self._web is None or self._web.reload_certificate()) and taken

    def _free_bytes(self) -> int:
        """Of the fullest disk that the node writes to."""
        return min(shutil.disk_usage(place).free for place in self.settings.store.places)

    def _backlog(self) -> int:
        with self.database.read() as session:
            return backlog(session, self.settings.pressure.nothing_backlog)

    def _warn_of_orphans(self) -> None:
        """Deliveries to a destination that is configured no longer wait until it is again."""
        known = [destination.name for destination in self.settings.destinations]
        with self.database.read() as session:
            orphans = session.execute(
                select(Delivery.destination, func.count())
                .where(Delivery.state.in_(OPEN), Delivery.destination.not_in(known))
                .group_by(Delivery.destination)
            ).all()
        for name, count in orphans:
            logger.warning("delivery.orphaned destination=%s deliveries=%d", name, count)

    def _on_stored(self, received: ReceivedInstance) -> None:
        self._retriever.stored(received)
        self._collector.notify(received)

    def _on_asked(self, series_instance_uid: str) -> None:
        self._collector.revisit(series_instance_uid)

    def _on_report(self, destination: str, transaction_uid: str) -> None:
        for confirmer in self._confirmers:
            if confirmer.destination == destination:
                confirmer.reported(transaction_uid)
        for courier in self._couriers:  # what was not committed is sent again
            courier.notify()

    def _on_given_up(self) -> None:
        self._collector.reconsider()
        self._refusals.notify()

    def _on_hand(self, taken_up: Sequence[int]) -> None:
        """An administrator took up, cancelled or discarded jobs."""
        self._collector.take_up(taken_up)
        self._on_work()
        self._on_given_up()

    def _on_work(self) -> None:
        self._dispatcher.notify()
        self._summariser.notify()
        self._refusals.notify()
        self._on_summary()

    def _on_summary(self) -> None:
        for courier in self._couriers:
            courier.notify()


def _callers(settings: NodeSettings) -> Callers:
    rules = [
        CallerRule(
            name=caller.name,
            ae_titles=caller.ae_titles,
            networks=caller.addresses,
            certificates=caller.certificates,
            tls=caller.tls,
            allow=caller.allow,
            max_associations=caller.max_associations,
            associations_per_minute=caller.associations_per_minute,
            max_pdu=caller.max_pdu,
            max_object_bytes=None if caller.max_object_mb is None else caller.max_object_mb * 2**20,
            bytes_per_s=None if caller.mb_per_s is None else caller.mb_per_s * 1e6,
        )
        for caller in settings.callers
    ]
    return Callers(rules, settings.listen.known_callers_only)


def _watermarks(settings: NodeSettings) -> Watermarks:
    pressure = settings.pressure
    return Watermarks(
        marks_free_bytes=pressure.marks_only_mb * 2**20,
        nothing_free_bytes=settings.store.reserve_mb * 2**20,
        release_bytes=pressure.release_mb * 2**20,
        marks_backlog=pressure.marks_only_backlog,
        nothing_backlog=pressure.nothing_backlog,
    )


def _receiver_settings(settings: NodeSettings) -> ReceiverSettings:
    listen, tls = settings.listen, settings.tls
    return ReceiverSettings(
        host=listen.host,
        port=listen.port,
        ae_title=listen.ae_title,
        more_ae_titles=listen.more_ae_titles,
        accepted_calling_aets=listen.calling_ae_titles,
        require_called_aet=listen.require_called_ae_title,
        max_associations=listen.max_associations,
        max_pdu=listen.max_pdu,
        network_timeout_s=listen.network_timeout_s,
        max_object_bytes=listen.max_object_mb * 2**20,
        tls_port=tls.port,
        plain=not tls.only,
        handshake_timeout_s=tls.handshake_timeout_s,
    )


def _web_service(
    settings: NodeSettings, vitals: Vitals, health: Health, routes: Sequence[BaseRoute]
) -> WebService | None:
    if not settings.web.served:
        return None
    names = [destination.name for destination in settings.destinations]
    access = Access(settings.web, TokenFile(tokens_path(settings.web, settings.store.path)))
    application = web_application(
        health,
        metrics_of(vitals, health, names),
        access,
        (*operator_routes(settings, vitals.database), *routes),
    )
    return WebService(settings.web, application)
