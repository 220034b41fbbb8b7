"""The journal keeps what it took, whatever happens to it, and shows what was done to it."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from dicomnode.audit import verify as verify_module
from dicomnode.audit.files import HEAD, SENT, Mark, records, segments
from dicomnode.audit.journal import Entry, Journal
from dicomnode.audit.record import GENESIS, Forgotten
from dicomnode.audit.verify import Damage, verify

MB = 2**20


def journal(folder, segment_bytes=MB, found=None):
    def mended(words):
        if found is not None:
            found.append(words)
        return Entry(time.time(), f"<mended>{words}</mended>")

    return Journal(folder, segment_bytes, mended)


def entries(*texts, at=None):
    return [Entry(time.time() if at is None else at, f"<a>{text}</a>") for text in texts]


def texts(folder):
    return [record.xml for record, _ in records(folder, Mark())]


def damages(folder, **how):
    return [found.damage for found in verify(folder, **how).breaks]


def file_lines(folder):
    path = segments(folder)[-1]
    return path, path.read_bytes().splitlines(keepends=True)


def test_what_a_crash_left_half_written_beside_it_goes_and_nothing_else_does(tmp_path):
    journal(tmp_path).append(entries("one"))
    left = [tmp_path / f".{HEAD}.0123456789abcdef.part", tmp_path / ".torn-1-5.0123.part"]
    # The sender writes its own mark without the lock of those who append.
    senders = tmp_path / f".{SENT}.0123456789abcdef.part"
    for path in (*left, senders):
        path.write_bytes(b"{")
    journal(tmp_path).append(entries("two"))
    assert not any(path.exists() for path in left)
    assert senders.exists()
    assert texts(tmp_path) == ["<a>one</a>", "<a>two</a>"]
    assert damages(tmp_path) == []


def test_records_are_numbered_and_chained_and_anybody_can_compute_the_hash(tmp_path):
    written = journal(tmp_path)
    written.append(entries("one", "Größe <&>"))
    mark = written.append(entries("three"))
    path, lines = file_lines(tmp_path)
    previous = GENESIS
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        assert (record["number"], record["previous"]) == (number, previous)
        previous = record["hash"]
        # docs/operations.md: what stands before the comma before "hash"
        assert hashlib.sha256(line.rpartition(b',"hash":"')[0]).hexdigest() == previous
    assert mark == Mark(3, previous, path.name, path.stat().st_size)
    assert Mark.read(tmp_path / HEAD) == mark
    assert texts(tmp_path)[1] == "<a>Größe <&></a>"
    found = verify(tmp_path)
    assert (found.whole, found.records, found.first, found.last) == (True, 3, 1, 3)


def test_files_follow_one_another_by_size_and_by_day(tmp_path, monkeypatch):
    written = journal(tmp_path, 300)
    for number in range(6):
        written.append(entries(number))
    names = [path.name for path in segments(tmp_path)]
    assert names == ["000000000001.jsonl", "000000000003.jsonl", "000000000005.jsonl"]
    tomorrow = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    journal(tmp_path, MB).append(entries("another day"))
    assert segments(tmp_path)[-1].name == "000000000007.jsonl"
    assert verify(tmp_path).whole
    assert verify(tmp_path, only_last=True).whole


def test_what_is_changed_is_found(tmp_path):
    journal(tmp_path).append(entries("one", "two", "three", "four"))
    path, lines = file_lines(tmp_path)
    lines[1] = lines[1].replace(b"two", b"owt")
    path.write_bytes(b"".join(lines))
    found = verify(tmp_path)
    assert [(b.damage, b.line, b.number) for b in found.breaks] == [(Damage.CHANGED, 2, 2)]


def test_what_is_changed_with_its_hash_is_found_by_the_next_one(tmp_path):
    from dicomnode.audit.record import encode

    journal(tmp_path).append(entries("one", "two", "three"))
    path, lines = file_lines(tmp_path)
    record = json.loads(lines[1])
    lines[1], _ = encode(2, record["at"], record["previous"], "<a>forged</a>")
    path.write_bytes(b"".join(lines))
    assert damages(tmp_path) == [Damage.REPLACED]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([0, 2, 3], [Damage.MISSING]),
        ([0, 2, 1, 3], [Damage.MISSING, Damage.MOVED]),
        ([0, 1, 1, 2, 3], [Damage.MOVED]),
        ([1, 2, 3], [Damage.MISSING]),
        ([0, 1, 2], [Damage.CUT_SHORT]),
        ([], [Damage.CUT_SHORT]),
    ],
)
def test_what_is_removed_moved_or_cut_off_is_found(tmp_path, order, expected):
    journal(tmp_path).append(entries("one", "two", "three", "four"))
    path, lines = file_lines(tmp_path)
    path.write_bytes(b"".join(lines[i] for i in order))
    assert damages(tmp_path) == expected


def test_a_file_that_is_gone_is_found(tmp_path):
    written = journal(tmp_path, 1)
    for number in range(3):
        written.append(entries(number))
    _, middle, last = segments(tmp_path)
    kept = middle.read_bytes()
    middle.unlink()
    assert damages(tmp_path) == [Damage.MISSING]
    middle.write_bytes(kept)
    last.unlink()
    assert damages(tmp_path) == [Damage.CUT_SHORT]


def test_a_cut_that_the_head_was_told_of_too_is_found_by_what_was_sent_or_noted(tmp_path):
    written = journal(tmp_path)
    early = written.append(entries("one"))
    late = written.append(entries("two", "three"))
    path, lines = file_lines(tmp_path)
    path.write_bytes(lines[0])
    early.write(tmp_path / HEAD)
    assert damages(tmp_path) == []
    assert damages(tmp_path, expected=late) == [Damage.CUT_SHORT]
    late.write(tmp_path / SENT)
    assert damages(tmp_path) == [Damage.CUT_SHORT]
    Mark(1, "f" * 64, path.name, 1).write(tmp_path / SENT)
    assert damages(tmp_path) == [Damage.REPLACED]


def test_a_torn_record_is_set_aside_and_said_and_the_chain_goes_on(tmp_path):
    journal(tmp_path).append(entries("one", "two"))
    path, lines = file_lines(tmp_path)
    with open(path, "ab") as file:
        file.write(lines[1][:50])
    assert verify(tmp_path).whole  # it may be written at this moment
    assert "being written" in verify(tmp_path).notes[0]
    found = []
    journal(tmp_path, found=found).append(entries("three"))
    assert [text[:8] for text in texts(tmp_path)] == [
        "<a>one</",
        "<a>two</",
        "<mended>",
        "<a>three",
    ]
    assert len(found) == 1
    assert "50 bytes" in found[0]
    (aside,) = tmp_path.glob("torn-*")
    assert aside.read_bytes() == lines[1][:50]
    assert verify(tmp_path).whole


def test_records_that_the_head_does_not_know_yet_are_taken(tmp_path):
    written = journal(tmp_path)
    early = written.append(entries("one"))
    written.append(entries("two"))
    early.write(tmp_path / HEAD)  # killed between the record and the head
    found = []
    journal(tmp_path, found=found).append(entries("three"))
    assert found == []
    assert len(texts(tmp_path)) == 3
    assert verify(tmp_path).whole


def test_a_journal_that_was_cut_goes_on_behind_its_head_and_stays_broken(tmp_path):
    journal(tmp_path).append(entries("one", "two", "three"))
    path, lines = file_lines(tmp_path)
    path.write_bytes(lines[0])
    found = []
    after = journal(tmp_path, found=found)
    after.append(entries("four"))
    after.append(entries("five"))
    assert len(found) == 1
    assert "ends before record 3" in found[0]
    look = verify(tmp_path)
    assert [b.damage for b in look.breaks] == [Damage.MISSING]
    assert look.breaks[0].words == "records 2 to 3 are missing"
    assert look.last == 6
    segments(tmp_path)[-1].unlink()
    journal(tmp_path, found=found).append(entries("seven"))
    assert "is missing" in found[1]


def test_without_its_head_it_is_taken_from_the_last_file_and_said(tmp_path):
    written = journal(tmp_path, 1)
    written.append(entries("one"))
    written.append(entries("two"))
    for damage in (lambda path: path.unlink(), lambda path: path.write_text("{")):
        damage(tmp_path / HEAD)
        found = []
        journal(tmp_path, found=found).append(entries("more"))
        assert any("head" in words for words in found)
        assert verify(tmp_path).whole


def test_what_is_not_written_is_not_there(tmp_path, monkeypatch):
    written = journal(tmp_path)
    written.append(entries("one"))

    def full(self, path):
        raise OSError(28, "no space")

    with monkeypatch.context() as broken:
        broken.setattr(Mark, "write", full)
        with pytest.raises(OSError, match="no space"):
            written.append(entries("two"))
    assert len(texts(tmp_path)) == 1
    written.append(entries("two again"))
    assert verify(tmp_path).whole
    assert len(texts(tmp_path)) == 2


def _append_many(folder, name):
    written = journal(folder, 4000)
    for number in range(20):
        written.append(entries(f"{name} {number}"))


def test_processes_and_threads_share_one_journal(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append_many, args=(tmp_path, n)) for n in range(2)]
    threads = [threading.Thread(target=_append_many, args=(tmp_path, f"t{n}")) for n in range(2)]
    for one in (*processes, *threads):
        one.start()
    for one in (*processes, *threads):
        one.join()
    assert [process.exitcode for process in processes] == [0, 0]
    found = verify(tmp_path)
    assert (found.breaks, found.records) == ([], 80)
    assert len(set(texts(tmp_path))) == 80


def _append_until_killed(folder, told):
    written = journal(folder, 4000)
    number = 0
    while True:
        number += 1
        written.append(entries(number))
        told.send(number)


def test_killed_at_any_moment_it_has_all_that_was_said_to_be_there(tmp_path):
    context = multiprocessing.get_context("fork")
    for life in range(5):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_append_until_killed, args=(tmp_path, there))
        process.start()
        there.close()
        for _ in range(3 + life):
            here.recv()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        said = 3 + life
        while True:
            try:
                said = here.recv()
            except EOFError:
                break
        journal(tmp_path).mend()
        found = verify(tmp_path)
        assert found.breaks == []
        newest = [text for text in texts(tmp_path) if not text.startswith("<mended>")]
        # One more may be there, whose writer was killed before it said so.
        assert newest[-1] in {f"<a>{said}</a>", f"<a>{said + 1}</a>"}


def test_what_was_let_go_is_no_damage_where_a_record_says_so(tmp_path):
    written = journal(tmp_path, 1)
    for number in range(3):
        written.append(entries(number))
    first = segments(tmp_path)[0]
    (record, _), *_ = records(tmp_path, Mark())
    gone = Forgotten(first.name, 1, 1, record.hash)
    written.append([Entry(time.time(), "<a>let go</a>", gone)])
    first.unlink()
    found = verify(tmp_path)
    assert (found.whole, found.first, found.forgotten) == (True, 2, 1)
    segments(tmp_path)[0].unlink()  # and one more, of which nothing says so
    assert damages(tmp_path) == [Damage.MISSING]


def test_a_file_that_is_let_go_while_it_is_verified_is_no_fault(tmp_path, monkeypatch):
    journal(tmp_path).append(entries("one", "two"))
    gone = tmp_path / "000000000000.jsonl"
    listed = iter([[gone, *segments(tmp_path)], segments(tmp_path)])
    monkeypatch.setattr(verify_module, "segments", lambda _: next(listed))
    assert verify(tmp_path).whole
    monkeypatch.setattr(verify_module, "segments", lambda _: [gone])
    with pytest.raises(FileNotFoundError):
        verify(tmp_path)
