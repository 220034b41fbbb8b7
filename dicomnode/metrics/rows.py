"""Metrics that are read from the store's rows, and so go on where they were after a restart."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dicomnode.deliver.answer import status_word
from dicomnode.deliver.outbox import OPEN
from dicomnode.store.database import Database
from dicomnode.store.states import (
    DEAD_LETTERS,
    CircuitState,
    Confirmation,
    DeliveryState,
    InstanceState,
    LesionState,
    RetrievalState,
)
from dicomnode.store.tables import Circuit, Delivery, Instance, Lesion, Result, Retrieval

_PENDING = (Confirmation.COMMIT, Confirmation.REPORT)
_WANTED = (RetrievalState.QUEUED, RetrievalState.RUNNING)


class RowMetrics(Collector):
    """Reads the rows each time that it is asked.

    Parameters
    ----------
    database : Database
    destinations : sequence of str
        Those that are configured: of them nought is told, too.
    """

    def __init__(self, database: Database, destinations: Sequence[str]) -> None:
        self._database = database
        self._destinations = destinations

    def collect(self) -> Iterator[Metric]:
        """Give what the rows say; where they cannot be read, only that."""
        found: list[Metric] = []
        try:
            with self._database.read() as session:
                now = time.time()
                found.extend(_queues(session, now))
                found.extend(self._deliveries(session, now))
                found.extend(_states(session))
                found.extend(_totals(session))
        except SQLAlchemyError:
            found = []
        yield GaugeMetricFamily(
            "dicomnode_store_readable",
            "1 where the database could be read for this answer.",
            value=float(bool(found)),
        )
        yield from found

    def _deliveries(self, session: Session, now: float) -> Iterator[Metric]:
        count = GaugeMetricFamily(
            "dicomnode_deliveries", "Deliveries by state.", labels=["destination", "state"]
        )
        rows = session.execute(
            select(Delivery.destination, Delivery.state, func.count()).group_by(
                Delivery.destination, Delivery.state
            )
        ).all()
        counts = {(name, state): number for name, state, number in rows}
        names = sorted({*self._destinations, *(name for name, _ in counts)})
        for name in names:
            for state in DeliveryState:
                count.add_metric([name, state.value], counts.get((name, state), 0))
        yield count

        yield from _dead_letters(session, names)
        yield from _circuits(session, names)

        undelivered = {
            name: since
            for name, since in session.execute(
                select(Delivery.destination, func.min(Result.created_at))
                .join(Delivery.result)
                .where(Delivery.state.in_(OPEN))
                .group_by(Delivery.destination)
            )
        }
        oldest = GaugeMetricFamily(
            "dicomnode_oldest_undelivered_seconds",
            "Age of the oldest result that a destination has not accepted; 0 where it has all.",
            labels=["destination"],
        )
        for name in names:
            oldest.add_metric([name], _age(undelivered.get(name), now))
        yield oldest

        uncommitted = {
            name: (number, since)
            for name, number, since in session.execute(
                select(Delivery.destination, func.count(), func.min(Delivery.accepted_at))
                .where(Delivery.confirmation.in_(_PENDING))
                .group_by(Delivery.destination)
            )
        }
        pending = GaugeMetricFamily(
            "dicomnode_commit_pending",
            "Objects that were accepted and are to be committed.",
            labels=["destination"],
        )
        pending_age = GaugeMetricFamily(
            "dicomnode_oldest_commit_pending_seconds",
            "Seconds since the oldest of them was accepted; 0 where there is none.",
            labels=["destination"],
        )
        for name in names:
            number, since = uncommitted.get(name, (0, None))
            pending.add_metric([name], number)
            pending_age.add_metric([name], _age(since, now))
        yield pending
        yield pending_age


def _dead_letters(session: Session, names: Sequence[str]) -> Iterator[Metric]:
    """By the last status: with it goes what is to be done."""
    found = GaugeMetricFamily(
        "dicomnode_dead_letters",
        "Results that are not sent any more, by the last status that the destination gave.",
        labels=["destination", "reason"],
    )
    counts = Counter({(name, "none"): 0 for name in names})
    by_http = func.coalesce(Delivery.peer_words, "").startswith("HTTP ")
    for name, status, http, number in session.execute(
        select(Delivery.destination, Delivery.status, by_http, func.count())
        .where(Delivery.state.in_(DEAD_LETTERS))
        .group_by(Delivery.destination, Delivery.status, by_http)
    ):
        counts[name, status_word(status, "HTTP " if http else "")] += number
    for (name, reason), number in sorted(counts.items()):
        found.add_metric([name, reason], number)
    yield found


def _circuits(session: Session, names: Sequence[str]) -> Iterator[Metric]:
    circuits = {circuit.destination: circuit for circuit in session.scalars(select(Circuit))}
    away = GaugeMetricFamily(
        "dicomnode_circuit_open",
        "1 where a destination counts as away, and is sent one object now and then to find out.",
        labels=["destination"],
    )
    failures = GaugeMetricFamily(
        "dicomnode_circuit_failures",
        "Attempts in a row that a destination gave no answer to.",
        labels=["destination"],
    )
    for name in names:
        circuit = circuits.get(name)
        is_away = circuit is not None and circuit.state is not CircuitState.CLOSED
        away.add_metric([name], float(is_away))
        failures.add_metric([name], 0 if circuit is None else circuit.failures)
    yield away
    yield failures


def queues(session: Session) -> Iterator[tuple[str, int, float | None]]:
    """Give of each step its name, how much waits for it, and since when the oldest does."""
    waiting = {
        "collect": select(func.count(), func.min(Instance.received_at)).where(
            Instance.state == InstanceState.RECEIVED
        ),
        "segment": select(func.count(), func.min(Lesion.changed_at)).where(
            Lesion.state == LesionState.READY
        ),
        "publish": select(func.count(), func.min(Lesion.changed_at)).where(
            Lesion.state == LesionState.SEGMENTED
        ),
        "retrieve": select(func.count(), func.min(Retrieval.created_at)).where(
            Retrieval.state.in_(_WANTED)
        ),
        "deliver": select(func.count(), func.min(Result.created_at))
        .join(Delivery.result)
        .where(Delivery.state.in_(OPEN)),
    }
    for name, query in waiting.items():
        number, since = session.execute(query).one()
        yield name, number, since


def _queues(session: Session, now: float) -> Iterator[Metric]:
    """How much waits for each step, and for how long."""
    length = GaugeMetricFamily(
        "dicomnode_queue_length", "Things that wait for a step.", labels=["queue"]
    )
    age = GaugeMetricFamily(
        "dicomnode_queue_age_seconds",
        "How long the oldest of them has waited, since its row changed last; 0 where none waits.",
        labels=["queue"],
    )
    for queue, number, since in queues(session):
        length.add_metric([queue], number)
        age.add_metric([queue], _age(since, now))
    yield length
    yield age


def _states(session: Session) -> Iterator[Metric]:
    rows = session.execute(select(Lesion.state, func.count()).group_by(Lesion.state))
    counts = {state: number for state, number in rows}
    lesions = GaugeMetricFamily("dicomnode_lesions", "Lesions by state.", labels=["state"])
    for state in LesionState:
        lesions.add_metric([state.value], counts.get(state, 0))
    yield lesions
    yield GaugeMetricFamily(
        "dicomnode_instances",
        "Objects that were received and are held.",
        value=session.scalar(select(func.count()).select_from(Instance)) or 0,
    )


def _totals(session: Session) -> Iterator[Metric]:
    """What only grows. Rows are numbered as they are made, and the newest is not deleted."""
    for name, words, number in (
        ("dicomnode_marks", "Marks that became a lesion.", Lesion.id),
        ("dicomnode_results", "Objects that the node made.", Result.id),
        ("dicomnode_deliveries_begun", "Deliveries that were queued.", Delivery.id),
    ):
        yield CounterMetricFamily(name, words, value=session.scalar(select(func.max(number))) or 0)
    count, seconds = session.execute(
        select(func.count(Lesion.seconds), func.sum(Lesion.seconds))
    ).one()
    yield SummaryMetricFamily(
        "dicomnode_lesion_seconds",
        "Seconds of computing of the lesions that are in the database.",
        count_value=count,
        sum_value=seconds or 0.0,
    )


def _age(since: float | None, now: float) -> float:
    return 0.0 if since is None else max(0.0, now - since)
