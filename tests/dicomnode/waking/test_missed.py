"""What no hint told of is found by rows."""

from __future__ import annotations

import pytest

from dicomnode.store.states import InstanceState, LesionState
from dicomnode.store.tables import Instance, Lesion
from dicomnode.waking.missed import MissedArrivals


def instance(uid: str, series: str, state: InstanceState = InstanceState.HELD) -> Instance:
    return Instance(
        sop_instance_uid=uid,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        study_instance_uid="1.2",
        series_instance_uid=series,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        body_part="",
        study_description="",
        series_description="",
        image_type=[],
        frame_of_reference_uid="1.9",
        calling_ae="CT1",
        called_ae="NODE",
        path=f"/{uid}",
        size=1,
        state=state,
    )


def lesion(number: int, state: LesionState = LesionState.WAITING, **where: str) -> Lesion:
    return Lesion(
        mark_key=f"k{number}",
        mark={},
        source_sop_instance_uid="1.5",
        state=state,
        warnings=[],
        attempts=0,
        **where,
    )


@pytest.fixture
def add(database):
    def add(*rows: object) -> None:
        with database.write() as session:
            session.add_all(rows)

    return add


def test_what_lesions_wait_for_is_seen_once_when_more_of_it_is_here(database, add):
    missed = MissedArrivals(database)
    assert missed.look() == (False, set())
    add(
        lesion(1, key_sop_instance_uid="1.2.3.9", series_instance_uid="1.2.3"),
        lesion(2, frame_of_reference_uid="1.9"),
        lesion(3, LesionState.PUBLISHED, series_instance_uid="1.2.7"),
    )
    assert missed.look() == (False, set())
    add(instance("1.2.3.1", "1.2.3"), instance("1.2.7.1", "1.2.7"))
    assert missed.look() == (False, {"1.2.3", "1.9"})
    assert missed.look() == (False, set())
    add(instance("1.2.3.9", "1.2.3"))
    assert missed.look() == (False, {"1.2.3", "1.2.3.9", "1.9"})
    assert missed.look() == (False, set())


def test_what_nobody_has_read_is_seen_until_it_is(database, add):
    missed = MissedArrivals(database)
    add(instance("1.2.3.1", "1.2.3", InstanceState.RECEIVED))
    assert missed.look()[0]
    assert missed.look()[0]


def test_a_thousand_waiting_lesions_are_looked_at(database, add):
    """More than one query takes."""
    missed = MissedArrivals(database)
    add(*(lesion(n, series_instance_uid=f"1.2.{n}") for n in range(1200)))
    add(*(instance(f"1.2.{n}.1", f"1.2.{n}") for n in range(1200)))
    assert len(missed.look()[1]) == 1200
