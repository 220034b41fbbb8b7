"""The making side of the work: from what was received to results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dicomnode.assessments.teller import VerdictTeller
from dicomnode.collect.collector import Collector
from dicomnode.health.vitals import WorkerVitals
from dicomnode.jobs.dispatcher import Dispatcher
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.hand_watch import HandWatch
from dicomnode.jobs.lesion_queue import Folders
from dicomnode.jobs.network_place import say_where_networks_run
from dicomnode.jobs.summariser import Summariser
from dicomnode.jobs.variants import Ladders
from dicomnode.jobs.worker import Limits
from dicomnode.parts.ground import Ground
from dicomnode.receive.intake import Intake
from dicomnode.refusals.reporter import RefusalReporter
from dicomnode.retrieve.retriever import Retriever
from dicomnode.routing import RulesInForce
from dicomnode.rule_reload import RuleReload
from dicomnode.store.files import FileStore, sweep_parts
from dicomnode.store.received import ReceivedInstance
from dicomnode.waking.hint import Hint
from dicomnode.waking.missed import MissedArrivals


class Making:
    """Collects, fetches what is missing, segments, publishes, and says what was refused.

    Parameters
    ----------
    ground : Ground
    on_results : callable
        Called, without arguments, when deliveries may be due.
    """

    def __init__(self, ground: Ground, on_results: Callable[[], None]) -> None:
        settings, database, scheduler = ground.settings, ground.database, ground.scheduler
        root = settings.store.path
        self._ground = ground
        self._on_results = on_results
        self._rules = RulesInForce(settings.routes)
        self._rule_reload = RuleReload(settings, self._rules)
        self._engine = ProcessEngine(
            settings.segment.processes,
            {rule.method for rule in settings.rules},
            Limits(settings.segment.seconds, settings.segment.memory_mb),
            settings.segment.stop_s,
        )
        self._fetched = FileStore(root, settings.store.reserve_mb * 2**20, incoming="fetched")
        folders = Folders(soft_masks=root / "soft_masks", results=root / "results")
        self._made = (folders.soft_masks, folders.results, root / "status")
        ladders = Ladders(settings.destinations, settings.publish)
        self._dispatcher = Dispatcher(
            database,
            self._engine,
            scheduler,
            folders,
            settings.segment,
            ladders,
            self._on_work,
            self._on_given_up,
            settings.networks.options,
        )
        self._summariser = Summariser(
            database,
            self._engine,
            scheduler,
            ladders,
            folders.results,
            settings.segment.attempts,
            on_results,
        )
        self._refusals = RefusalReporter(
            database,
            scheduler,
            self._rules,
            settings.destinations,
            settings.publish,
            folders.results,
            settings.segment.attempts,
            on_results,
        )
        self._teller = VerdictTeller(
            database,
            scheduler,
            settings.destinations,
            settings.publish,
            folders.results,
            on_results,
        )
        self._retriever = Retriever(
            database,
            scheduler,
            settings,
            Intake(self._fetched, ground.index, self.stored, ground.pressure),
            self._on_asked,
            ground.audit.trail,
        )
        self._collector = Collector(
            database,
            scheduler,
            settings.collect,
            self._rules,
            self._on_work,
            self._retriever.notify,
            self._retriever.is_to_ask,
            self._engine.submit,
            self._refusals.notify,
        )
        self._missed = MissedArrivals(database)
        self._hand_watch = HandWatch(database, scheduler, self._on_hand)

    @property
    def vitals(self) -> WorkerVitals:
        """What may be looked at."""
        return WorkerVitals(alive=lambda: self._engine.alive, processes=self._engine.processes)

    @property
    def threads(self) -> tuple[str, ...]:
        """Names of the threads that live as long as it does."""
        retrieves = ["retriever"] if self._ground.settings.sources else []
        return (
            "engine",
            "dispatcher",
            "collector",
            "summariser",
            "refusals",
            "verdicts",
            *retrieves,
        )

    @property
    def status(self) -> str:
        """One clause for people."""
        return f"{self._engine.alive} of {self._engine.processes} worker processes"

    def prepare(self) -> int:
        """Remove what a former life left half written; give how many files."""
        return self._fetched.sweep() + sum(map(sweep_parts, self._made))

    def start(self, configuration: Path | None) -> None:
        """Resume, but ask no peer yet.

        Parameters
        ----------
        configuration : Path or None
            The file that the rules were read from.
        """
        self._rule_reload.started(configuration)
        self._dispatcher.start()
        say_where_networks_run(self._ground.settings, self._engine.submit)
        self._summariser.start()
        self._refusals.start()
        self._teller.start()
        self._collector.start()

    def start_asking(self) -> None:
        """Ask sources: what they are asked for may come to the receiver."""
        self._retriever.start()
        self._hand_watch.start()

    def stored(self, received: ReceivedInstance) -> None:
        """Say that an instance has been stored. Returns at once."""
        self._retriever.stored(received)
        self._collector.notify(received)

    def hear(self, hint: Hint) -> None:
        """Take up what another process says may be new. Returns at once."""
        for series, instances, size in hint.arrived:
            self._retriever.arrived(series, instances, size)
        if hint.everything:
            self._collector.revisit_all()
        elif hint.uids:
            self._collector.revisit(*hint.uids)

    def look(self) -> None:
        """Take up what rows say is new, in case nobody said so."""
        unread, uids = self._missed.look()
        if unread or uids:
            self._collector.revisit(*uids)

    def reload_rules(self, configuration: Path) -> bool:
        """Go by the rules of a file from now on; where it is wrong the old ones stay."""
        taken = self._rule_reload.reload(configuration)
        if taken:
            say_where_networks_run(
                self._ground.settings.model_copy(update={"rules": tuple(self._rules)}),
                self._engine.submit,
            )
            self._refusals.notify()
        return taken

    def stop_asking(self) -> None:
        """From here on nothing is fetched."""
        self._retriever.stop()

    def stop(self) -> None:
        """Let what workers have begun end, and write down what it came to."""
        self._collector.stop()
        self._summariser.ask_to_stop()
        self._dispatcher.stop()
        self._summariser.stop()
        self._refusals.stop()
        self._teller.stop()

    def _on_asked(self, series_instance_uid: str) -> None:
        self._collector.revisit(series_instance_uid)

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
        self._teller.notify()
        self._on_results()
