"""The receiver comes through damaged PDUs; the fuzzer sees crashes, bad answers and leaks."""

from __future__ import annotations

import struct
from collections import Counter

import pytest

from benchmarks.fuzz_pdus import Look, Outcome, fuzz
from benchmarks.fuzz_receiver import case
from benchmarks.fuzz_receiver.answers import Malformed, check_answers
from benchmarks.fuzz_receiver.case import Errors, Fault, Material, Receiver, Verdict
from benchmarks.fuzz_receiver.damage import pdus
from benchmarks.fuzz_receiver.whole import RELEASE
from dicomnode.store.files import FileStore

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, of damaged values

CASES = 3000


def test_thousands_of_damaged_pdus_crash_nothing_and_leave_nothing(tmp_path):
    outcome = fuzz(CASES, seed=11, socket_share=0.02, folder=tmp_path)
    assert outcome.faults == []
    assert sum(outcome.counts.values()) == CASES
    assert outcome.over_sockets > 20
    found = set(outcome.counts)
    for kind in ("association", "conversation", "command set", "data set"):
        assert {(kind, Verdict.TAKEN), (kind, Verdict.REFUSED)} <= found


def test_parts_are_the_cases_that_the_whole_has(tmp_path):
    whole = fuzz(60, seed=5, socket_share=0.1, folder=tmp_path / "whole")
    parts = [fuzz(30, 5, 0.1, tmp_path / str(first), first=first) for first in (0, 30)]
    assert sum((part.counts for part in parts), Counter()) == whole.counts
    assert sum(part.over_sockets for part in parts) == whole.over_sockets > 0
    assert [part.looks[-1].cases for part in parts] == [30, 30]


def test_a_case_follows_from_its_seed_and_number():
    first, second, other = Material(5), Material(5), Material(6)
    cases = [first.damaged(number) for number in range(60)]
    assert cases == [second.damaged(number) for number in range(60)]
    assert cases != [other.damaged(number) for number in range(60)]
    assert len({one.content for one in cases}) > 50


@pytest.fixture
def receiver(tmp_path):
    receiver = Receiver(tmp_path, Errors())
    yield receiver
    receiver.close()


def whole(material: Material) -> case.Damaged:
    content = b"".join(unit for m in material.messages[:5] for unit in pdus(m, 200))
    return case.Damaged("association", material.requests[1] + content + RELEASE)


def test_what_is_whole_is_taken(receiver):
    assert receiver.judge(0, whole(Material(0))) is Verdict.TAKEN
    assert len(list(receiver.store.instances.rglob("*.dcm"))) == 2


def test_a_crash_is_seen(receiver, monkeypatch):
    def broken(*_: object, **__: object):
        raise KeyError("somewhere")

    monkeypatch.setattr(FileStore, "begin", broken)
    told = receiver.judge(3, whole(Material(0)))
    assert isinstance(told, Fault)
    assert told.verdict is Verdict.CRASH
    assert "KeyError" in told.words
    with pytest.raises(KeyError):
        receiver.judge(3, whole(Material(0)), raising=True)


@pytest.mark.parametrize(
    "answers",
    [
        b"\x04\0",
        struct.pack(">BxL", 1, 0),
        struct.pack(">BxL", 4, 9) + b"short",
        struct.pack(">BxLLBB", 4, 6, 9, 1, 3),
        struct.pack(">BxLLBB", 4, 14, 10, 1, 3) + struct.pack("<HHL", 0, 0x0900, 9),
        RELEASE.replace(b"\5", b"\6", 1) * 2,
    ],
)
def test_an_answer_that_is_not_well_formed_is_seen(answers):
    with pytest.raises((Malformed, struct.error)):
        check_answers(answers, 0)


def test_an_answer_that_is_longer_than_the_peer_takes_is_seen(receiver):
    (unit,) = pdus(Material(0).messages[0], 16000)
    check_answers(unit, len(unit) - 6)
    with pytest.raises(Malformed, match="are taken"):
        check_answers(unit, len(unit) - 7)


def test_growth_over_the_second_half_is_a_leak():
    start = Look(10, 1000, 1000, 3, 10)
    calm = Outcome(looks=[start, Look(50, 2000, 2000, 3, 10), Look(100, 2090, 2000, 3, 10)])
    assert calm.leaks == []
    grown = Outcome(looks=[start, Look(50, 2000, 2000, 3, 10), Look(100, 2200, 2200, 4, 11)])
    assert len(grown.leaks) == 4
