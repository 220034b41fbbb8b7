"""A node without its receiver and its workers: what is stored, collected and retrieved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from dicomnode.collect.collector import Collector
from dicomnode.receive.folder import find_instances
from dicomnode.receive.intake import Intake
from dicomnode.receive.scp import StorageSCP
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.retrieve.retriever import Retriever
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Instance, Lesion, Retrieval
from dicomnode.timing import CallScheduler
from tests.dicomnode.studies import save

PATIENCE_S = 240.0


class House:
    """Store, collector and retriever over one folder.

    Parameters
    ----------
    folder : Path
    sources : sequence of dict
    **sections
        Of the configuration.
    """

    def __init__(self, folder: Path, sources: Sequence[dict[str, Any]], **sections: dict) -> None:
        sections = {
            "retrieve": {"grace_s": 0.0},
            "collect": {"quiet_period_s": 0.2},
            "retry": {"first_wait_s": 0.2, "factor": 1.0},
        } | sections
        self.settings = NodeSettings(
            store={"path": folder / "store", "reserve_mb": 0},
            destinations=[{"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 4}],
            rules=[{"name": "all", "destinations": ["pacs"]}],
            sources=sources,
            **sections,
        )
        self.folder = folder
        self.store = FileStore(folder / "store", 0)
        self.database = Database(self.settings.store.url)
        self.database.upgrade()
        self._index = InstanceIndex(self.database, CT_CLASSES)
        self._scheduler = CallScheduler()
        self.retriever = Retriever(
            self.database,
            self._scheduler,
            self.settings,
            Intake(self.store, self._index, self._stored),
            lambda uid: self._collector.revisit(uid),
        )
        self._collector = Collector(
            self.database,
            self._scheduler,
            self.settings.collect,
            self.settings.rules,
            lambda: None,
            self.retriever.notify,
            self.retriever.is_to_ask,
        )

    def _stored(self, received) -> None:
        self.retriever.stored(received)
        self._collector.notify(received)

    def start(self) -> House:
        self._scheduler.start()
        self._collector.start()
        self.retriever.start()
        return self

    def stop(self) -> None:
        self.retriever.stop()
        self._collector.stop()
        self._scheduler.shutdown()
        self.database.close()

    def put(self, objects: Sequence[Dataset]) -> None:
        """Store objects as if they had been sent."""
        folder = self.folder / f"objects {time.monotonic_ns()}"
        save(objects, folder)
        for finding in find_instances(folder):
            self._index.add(finding.received)
            self._stored(finding.received)

    def receiver(self, tell_retriever: bool = True) -> StorageSCP:
        """The node's receiver, on a free port; it may leave the retriever untold of arrivals."""
        settings = ReceiverSettings(
            host="127.0.0.1", port=0, ae_title=self.settings.listen.ae_title
        )
        tell = self._stored if tell_retriever else self._collector.notify
        return StorageSCP(settings, self.store, self._index, tell)

    def lesions(self) -> list[Lesion]:
        return self._all(Lesion)

    def retrievals(self) -> list[Retrieval]:
        return self._all(Retrieval, selectinload(Retrieval.lesions))

    def instances(self) -> list[Instance]:
        return self._all(Instance)

    def _all(self, table: type, *options: object) -> list:
        with self.database.read() as session:
            return list(session.scalars(select(table).options(*options)).all())

    def until(self, condition: Callable[[], object], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            words = [(r.state.value, r.peer_words) for r in self.retrievals()]
            assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s; {words}"
            time.sleep(0.02)

    def until_stopped(self) -> None:
        """Stop the retriever; it must not wait for as long as a source may take to answer."""
        stopping = threading.Thread(target=self.retriever.stop, daemon=True)
        stopping.start()
        self.until(lambda: not stopping.is_alive(), "the retriever has stopped")

    def until_ready(self) -> None:
        self.until(
            lambda: {lesion.state for lesion in self.lesions()} == {LesionState.READY},
            "lesions are ready",
        )

    def until_done(self) -> None:
        self.until(
            lambda: {r.state for r in self.retrievals()} == {RetrievalState.DONE},
            "retrievals are done",
        )


@pytest.fixture
def house(tmp_path) -> Iterator[Callable[..., House]]:
    """Make houses that are stopped in the end."""
    made: list[House] = []

    def make(*sources: dict[str, Any], **sections: dict) -> House:
        made.append(House(tmp_path, sources, **sections).start())
        return made[-1]

    yield make
    for one in made:
        one.stop()
