"""The fuzzer damages reproducibly, and sees crashes, hangs and coordinates that are made up."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from pydicom.dataset import Dataset

from benchmarks.fuzz import case
from benchmarks.fuzz.case import FAULTS, Verdict, prepared, run
from benchmarks.fuzz.corpus import Kind, Whole, whole
from benchmarks.fuzz.oracle import MadeUp, check_dataset, check_text
from benchmarks.fuzz_marks import fuzz
from dicomnode.marks import MarkReading, read_marks
from dicomnode.marks.aim import read_aim
from dicomnode.marks.lidc_xml import read_lidc_xml
from tests.dicomnode.marks import report_items as items
from tests.dicomnode.marks import test_aim as aim
from tests.dicomnode.marks import test_lidc_xml as lidc
from tests.dicomnode.marks.test_file_mutations import FILES
from tests.dicomnode.marks.test_mutations import OBJECTS

CASES = 3_000


def encoded(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, implicit_vr=False, little_endian=True)
    return file.getvalue()


def shown(dataset: Dataset) -> str:
    """All raw elements, so that nothing has to be decoded."""
    return str([(tag, repr(dataset.get_item(tag))) for tag in dataset.keys()])  # noqa: SIM118


@pytest.fixture(scope="module")
def corpus() -> list[Whole]:
    objects = [whole(name, encoded(make())) for name, make in OBJECTS.items()]
    return [*objects, *(whole(f"file {n}", content) for n, (_, content) in enumerate(FILES))]


@pytest.mark.parametrize("first", range(0, CASES, 500))
def test_thousands_of_damaged_files_crash_nothing_and_make_nothing_up(corpus, first):
    told = [run(number, 1, corpus) for number in range(first, first + 500)]
    assert [one for one in told if one.verdict in (Verdict.CRASH, Verdict.MADE_UP)] == []
    found = {one.verdict for one in told}
    assert {Verdict.READ, Verdict.REFUSED, Verdict.UNREADABLE} <= found


def test_each_kind_of_file_is_damaged_the_same_way_again(corpus):
    assert {one.kind for one in corpus} == set(Kind)
    seen = set()
    for number in range(60):
        first, second = (prepared(number, 5, corpus) for _ in range(2))
        assert first[0] is second[0]
        same = [one if isinstance(one, bytes) else shown(one) for one in (first[1], second[1])]
        assert same[0] == same[1]
        seen.add(same[0])
    assert len(seen) > 55


def test_a_crash_is_seen(corpus, monkeypatch):
    def broken(_):
        raise KeyError("somewhere")

    monkeypatch.setattr(case, "read_marks", broken)
    monkeypatch.setattr(case, "read_mark_bytes", broken)
    told = run(3, 1, corpus)
    assert told.verdict is Verdict.CRASH
    assert "KeyError" in told.words
    with pytest.raises(KeyError):
        run(3, 1, corpus, raising=True)


def test_a_hang_is_seen(corpus, monkeypatch):
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(case, "time", type("Clock", (), {"process_time": lambda: next(clock)}))
    verdicts = {run(number, 1, corpus).verdict for number in range(30)}
    assert Verdict.HANG in verdicts
    assert Verdict.READ not in verdicts


def test_a_child_process_runs_all_cases_to_the_last(corpus):
    outcome = fuzz(corpus, 450, seed=2)
    assert sum(outcome.total(verdict) for verdict in Verdict) == 450
    assert sum(outcome.total(verdict) for verdict in FAULTS) == len(outcome.faults) == 0


def moved(reading: MarkReading, by: float) -> MarkReading:
    return dataclasses.replace(
        reading,
        marks=tuple(
            dataclasses.replace(mark, long_axis=np.array(mark.long_axis) + by)
            for mark in reading.marks
        ),
        outlines=tuple(
            dataclasses.replace(
                outline,
                contours=tuple(
                    dataclasses.replace(curve, points=np.array(curve.points) + by)
                    for curve in outline.contours
                ),
            )
            for outline in reading.outlines
        ),
    )


@pytest.mark.parametrize(
    "name",
    ["recist report", "report of all forms", "CAD report", "presentation state", "structure set"],
)
def test_coordinates_that_an_object_does_not_hold_are_seen(name):
    dataset = OBJECTS[name]()
    reading = read_marks(dataset)
    check_dataset(dataset, reading)
    with pytest.raises(MadeUp):
        check_dataset(dataset, moved(reading, 0.013))


def test_an_image_that_an_object_does_not_name_is_seen():
    dataset = items.report(items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG))))
    reading = read_marks(dataset)
    check_dataset(dataset, reading)
    (mark,) = reading.marks
    other = dataclasses.replace(mark, referenced_sop_instance_uid="1.2.77")
    with pytest.raises(MadeUp, match="image"):
        check_dataset(dataset, dataclasses.replace(reading, marks=(other,)))


def test_a_position_that_a_segmentation_does_not_hold_is_seen():
    dataset = OBJECTS["binary"]()
    reading = read_marks(dataset)
    check_dataset(dataset, reading)
    (segment,) = reading.segments
    frame = dataclasses.replace(segment.frames[0], position=(1.0, 2.0, 3.0))
    segment = dataclasses.replace(segment, frames=(frame,))
    with pytest.raises(MadeUp, match="position"):
        check_dataset(dataset, dataclasses.replace(reading, segments=(segment,)))


@pytest.mark.parametrize(
    ("reader", "content", "shift"),
    [
        (read_aim, aim.aim3(aim.shape3(aim.LONG)), 0.0),
        (read_lidc_xml, lidc.message(lidc.nodule(lidc.roi(lidc.ring(10, 20, 6)))), 0.5),
    ],
)
def test_coordinates_that_a_file_does_not_hold_are_seen(reader, content, shift):
    reading = reader(content)
    check_text(content, reading, shift)
    with pytest.raises(MadeUp):
        check_text(content, moved(reading, 0.013), shift)
    with pytest.raises(MadeUp):
        check_text(content, reading, shift + 0.25)


def test_an_item_that_holds_itself_is_looked_into_once():
    group = items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG)))
    group.ContentSequence._list += [group, group]
    dataset = items.report(group)
    check_dataset(dataset, read_marks(dataset))
