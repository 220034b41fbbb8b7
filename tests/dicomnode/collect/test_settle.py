"""Which lesion stands is the same whatever came first, what failed and where the node was ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage
from sqlalchemy import delete, select, update

from dicomnode.collect.claims import Neighbours, Placed
from dicomnode.collect.ct import SeriesOfPass
from dicomnode.collect.kinship import resolve
from dicomnode.collect.mask_work import MasksOnCt
from dicomnode.collect.statement import record_statement, sources_of
from dicomnode.collect.supersede import leave, settle, unsettled
from dicomnode.jobs import lesion_queue
from dicomnode.marks import RecistMark
from dicomnode.marks.authorship import Authorship
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.serialised import to_json
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Base, Finding, Instance, Lesion
from pipelines.recist import RecistAxes
from tests.dicomnode.jobs.rows import published

SR = "1.2.840.10008.5.1.4.1.1.88.34"
SLICE, STUDY, SERIES = "1.2.3.1", "1.2.1", "1.2.1.1"
READY, PUBLISHED, SUPERSEDED = LesionState.READY, LesionState.PUBLISHED, LesionState.SUPERSEDED


@dataclass(frozen=True)
class Version:
    """A mark in an object of its own."""

    name: int
    x: float
    day: int
    person: str = "A"
    predecessors: tuple[str, ...] = ()

    @property
    def object(self) -> str:
        return f"1.2.4.{self.name}"

    @property
    def axes(self) -> RecistAxes:
        return RecistAxes(
            [[self.x - 5, 0.0, 0], [self.x + 5, 0, 0]], [[self.x, -4.0, 0], [self.x, 4, 0]]
        )

    @property
    def mark(self) -> LesionMark:
        return LesionMark.of(
            RecistMark(
                self.axes.long_axis,
                self.axes.short_axis,
                self.object,
                "1",
                frame_of_reference_uid="1.3",
            )
        )


class Rows:
    """A node's rows, and what the collector and the workers do to them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lesions: dict[int, int] = {}
        with database.write() as session:
            session.add(instance(SLICE, SERIES, CTImageStorage))

    def arrive(self, version: Version) -> None:
        """An object comes, is read, and its mark meets its CT."""
        with self.database.write() as session:
            found = instance(version.object, f"1.2.5.{version.name}", SR)
            found.received_at = 1e9 + len(self.lesions)
            session.add(found)
            authorship = Authorship(
                version.day, version.day, version.person, "D", version.predecessors
            )
            record_statement(session, version.object, authorship)
            lesion = Lesion(
                mark_key=version.mark.key,
                mark=to_json(version.mark),
                source_sop_instance_uid=version.object,
                key_sop_instance_uid=SLICE,
                state=LesionState.WAITING,
                warnings=[],
            )
            session.add(lesion)
            session.flush()
            found = Finding(source_sop_instance_uid=version.object, item="1", lesion_id=lesion.id)
            session.add(found)
            self.lesions[version.name] = lesion.id
        self.settle({lesion.id: version})

    def settle(self, joined: dict[int, Version] | None = None) -> None:
        """A pass of the collector."""
        joined = joined or {}
        with self.database.read() as session:
            around = unsettled(session).get(STUDY, [])
            key = session.get_one(Instance, SLICE)
            placed = {i: Placed(v.mark, key, v.axes) for i, v in joined.items()}
            known, masks = SeriesOfPass(), MasksOnCt()
            near = Neighbours(session, STUDY, placed, around, known, masks)
            verdicts = [v for claims in near.groups() for v in resolve(claims, near)]
        with self.database.write() as session:
            for lesion_id, version in joined.items():
                values = {
                    "state": READY,
                    "study_instance_uid": STUDY,
                    "series_instance_uid": SERIES,
                    "slices": [SLICE],
                    "long_axis": version.axes.long_axis.tolist(),
                    "short_axis": version.axes.short_axis.tolist(),
                    "rule": "all",
                    "method": "closed-form",
                    "parameters": {},
                    "destinations": ["pacs"],
                }
                session.execute(update(Lesion).where(Lesion.id == lesion_id).values(values))
            session.execute(update(Lesion).where(Lesion.id.in_(around)).values(unsettled=False))
            settle(session, verdicts)

    def publish(self, name: int) -> None:
        """A worker publishes a lesion that is ready."""
        number = self.lesions[name]
        with self.database.write() as session:
            lesion = session.get_one(Lesion, number)
            if lesion.state is READY:
                lesion.state = LesionState.SEGMENTED
                lesion_queue.record_published(session, number, published(number, ("pacs",)))

    def refuse(self, name: int) -> None:
        """A worker cannot make anything of a lesion."""
        with self.database.write() as session:
            lesion_queue.record_refused(session, self.lesions[name], "empty")

    def states(self) -> dict[int, LesionState]:
        with self.database.read() as session:
            return {
                name: session.get_one(Lesion, number).state for name, number in self.lesions.items()
            }

    def standing(self) -> set[int]:
        """Versions that stand."""
        with self.database.read() as session:
            rows = session.scalars(select(Lesion).where(Lesion.replaced_by.is_(None))).all()
        alive = {row.id for row in rows if row.state in (READY, PUBLISHED)}
        return {name for name, number in self.lesions.items() if number in alive}

    def open_deliveries(self, name: int) -> list[DeliveryState]:
        with self.database.read() as session:
            lesion = session.get_one(Lesion, self.lesions[name])
            return [d.state for result in lesion.results for d in result.deliveries]


def instance(uid: str, series: str, sop_class: str) -> Instance:
    return Instance(
        sop_instance_uid=uid,
        sop_class_uid=sop_class,
        study_instance_uid=STUDY,
        series_instance_uid=series,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        body_part="",
        study_description="",
        series_description="",
        image_type=[],
        frame_of_reference_uid="1.3",
        rows=512,
        columns=512,
        image_position=[-200.0, -200.0, 0.0],
        image_orientation=[1.0, 0, 0, 0, 1, 0],
        pixel_spacing=[0.8, 0.8],
        slice_thickness=2.0,
        calling_ae="",
        called_ae="",
        path=f"/nowhere/{uid}.dcm",
        size=1,
        state=InstanceState.HELD,
    )


@pytest.fixture
def rows(database):
    return Rows(database)


FIRST, SECOND = Version(1, 0.0, day=1), Version(2, 2.0, day=2)


def test_what_was_published_stays_until_the_newer_one_is(rows):
    rows.arrive(FIRST)
    rows.publish(1)
    rows.arrive(SECOND)
    assert rows.states() == {1: PUBLISHED, 2: READY}
    assert rows.open_deliveries(1) == [DeliveryState.QUEUED]
    rows.publish(2)
    assert rows.states() == {1: SUPERSEDED, 2: PUBLISHED}
    assert rows.open_deliveries(1) == [DeliveryState.WITHDRAWN]


def test_what_was_published_stays_where_nothing_can_be_made_of_the_newer_one(rows):
    rows.arrive(FIRST)
    rows.publish(1)
    rows.arrive(SECOND)
    rows.refuse(2)
    rows.settle()
    assert rows.states() == {1: PUBLISHED, 2: LesionState.REFUSED}
    assert rows.standing() == {1}
    assert rows.open_deliveries(1) == [DeliveryState.QUEUED]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_what_made_way_comes_back_where_nothing_can_be_made_of_the_newer_one(rows, order):
    for name in order:
        rows.arrive({1: FIRST, 2: SECOND}[name])
    assert rows.states() == {1: SUPERSEDED, 2: READY}
    rows.refuse(2)
    rows.settle()
    assert rows.states() == {1: READY, 2: LesionState.REFUSED}


def test_of_several_that_made_way_only_the_newest_comes_back(rows):
    for version in (FIRST, SECOND, Version(3, 3.0, day=3)):
        rows.arrive(version)
    rows.refuse(3)
    rows.settle()
    assert rows.states() == {1: SUPERSEDED, 2: READY, 3: LesionState.REFUSED}


def test_what_was_withdrawn_is_sent_after_all_where_its_successor_is_gone(rows):
    rows.arrive(FIRST)
    rows.publish(1)
    rows.arrive(SECOND)
    rows.publish(2)
    with rows.database.write() as session:
        leave(session, rows.lesions[2], "gone")
    rows.settle()
    assert rows.states() == {1: READY, 2: SUPERSEDED}
    rows.publish(1)
    assert rows.open_deliveries(1) == [DeliveryState.QUEUED]
    assert rows.open_deliveries(2) == [DeliveryState.WITHDRAWN]


def test_an_old_version_that_comes_last_changes_nothing(rows):
    rows.arrive(SECOND)
    rows.publish(2)
    rows.arrive(FIRST)
    assert rows.states() == {1: SUPERSEDED, 2: PUBLISHED}


def test_a_failure_between_looking_and_writing_is_seen_the_next_time(rows, monkeypatch):
    rows.arrive(FIRST)
    true_resolve = resolve

    def slowly(*given):
        verdicts = true_resolve(*given)
        with rows.database.write() as session:
            lesion = session.get_one(Lesion, rows.lesions[1])
            if lesion.state is READY:
                lesion_queue.record_refused(session, lesion.id, "empty")
        return verdicts

    monkeypatch.setitem(globals(), "resolve", slowly)
    rows.arrive(Version(2, 2.0, day=0))
    assert rows.states() == {1: LesionState.REFUSED, 2: SUPERSEDED}
    rows.settle()
    assert rows.states() == {1: LesionState.REFUSED, 2: READY}


def test_a_newer_date_does_not_make_a_document_newer_than_its_successor(rows):
    rows.arrive(Version(1, 0.0, day=9))
    rows.arrive(Version(2, 2.0, day=1, person="B", predecessors=("1.2.4.1",)))
    assert rows.states() == {1: SUPERSEDED, 2: READY}


def test_documents_that_name_each_other_fall_back_on_their_dates(rows):
    rows.arrive(Version(1, 0.0, day=2, predecessors=("1.2.4.2", "1.2.4.1")))
    rows.arrive(Version(2, 2.0, day=1, predecessors=("1.2.4.1",)))
    with rows.database.read() as session:
        found = sources_of(session, ["1.2.4.1", "1.2.4.2"])
    assert found["1.2.4.1"].history == found["1.2.4.2"].history
    assert len(rows.standing()) == 1


HISTORIES = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from("AB")),
    min_size=2,
    max_size=5,
    unique_by=lambda drawn: drawn[0],
).map(
    lambda drawn: [
        Version(name, 2.0 * place, day=name, person=person)
        for name, (place, person) in enumerate(drawn, start=1)
    ]
)


def outcome(
    database: Database, versions: Sequence[Version], steps: Sequence[int]
) -> tuple[set[int], set[int]]:
    """Let versions arrive in their order, publishing after each as many as the steps say.

    Returns which stand, and which are to be sent when all has been published.
    """
    with database.write() as session:
        session.execute(update(Lesion).values(replaced_by=None))
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))
    rows = Rows(database)
    for version, count in zip(versions, steps, strict=False):
        rows.arrive(version)
        for name in list(rows.lesions)[:count]:
            rows.publish(name)
    standing = rows.standing()
    for name in rows.lesions:
        rows.publish(name)
    sent = {n for n in rows.lesions if DeliveryState.QUEUED in rows.open_deliveries(n)}
    return standing, sent


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(HISTORIES, st.randoms(use_true_random=False), st.lists(st.integers(0, 5), min_size=5))
def test_any_order_of_arrival_gives_the_same_end(database, history, random, steps):
    standing, sent = outcome(database, history, [0] * len(history))
    assert standing == sent
    shuffled = list(history)
    random.shuffle(shuffled)
    assert outcome(database, shuffled, steps) == (standing, sent)
