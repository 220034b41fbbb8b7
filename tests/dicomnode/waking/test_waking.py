"""Hints go from process to process, are many in one, and cost nobody anything when lost."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from dicomnode.store.lock import Role
from dicomnode.waking import sender as sending
from dicomnode.waking.door import NobodyThere, knock, open_door
from dicomnode.waking.hint import AT_ONCE, Hint, joined
from dicomnode.waking.listener import WakeListener
from dicomnode.waking.sender import WakeSender
from tests.dicomnode.deliver.results_on_disk import until


def received(number: int, series: str = "1.2.3", size: int = 10) -> SimpleNamespace:
    header = SimpleNamespace(
        sop_instance_uid=f"{series}.{number}",
        series_instance_uid=series,
        frame_of_reference_uid=None,
        concatenation_source_uid=None,
    )
    return SimpleNamespace(header=header, size=size)


class Heard:
    """What a listener was told."""

    def __init__(self, root: Path) -> None:
        self.hints: list[Hint] = []
        self.listener = WakeListener(root, self.hints.append)

    @property
    def all(self) -> Hint:
        return joined(self.hints)

    def __enter__(self) -> Heard:
        self.listener.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.listener.stop()
        assert not any(thread.name == "wake" for thread in threading.enumerate())


@pytest.fixture
def sender(tmp_path):
    sender = WakeSender(tmp_path)
    yield sender
    sender.stop()


def test_a_hint_says_what_was_told_in_datagrams_that_a_socket_takes():
    hint = Hint(
        uids=tuple(f"1.2.{n}" for n in range(2 * AT_ONCE + 1)),
        arrived=(("1.2", 700, 10**9),),
        reports=(("pacs", "2.25.1"),),
        everything=True,
    )
    datagrams = list(hint.encoded())
    assert len(datagrams) == 3
    assert max(map(len, datagrams)) < 2**15
    assert joined([Hint.decoded(one) for one in datagrams]) == hint
    assert list(Hint().encoded()) == [b"{}"]


@pytest.mark.parametrize(
    "datagram",
    [b"", b"\xff", b"[]", b'"1.2"', b'{"uids": [1]}', b'{"arrived": [["1.2", "x", 1]]}', b"{"],
)
def test_what_is_no_hint_is_named_so(datagram):
    with pytest.raises(ValueError, match="no hint"):
        Hint.decoded(datagram)


def test_what_is_stored_is_heard_of_and_a_stream_is_few_hints(tmp_path, sender):
    with Heard(tmp_path) as heard:
        sender.start()
        # A life before may have died before it said anything.
        until(lambda: heard.hints, "the first hint")
        assert heard.hints[0].everything
        for number in range(1000):
            sender.stored(received(number))
        sender.reported("pacs", "2.25.1")
        until(lambda: heard.all.reports, "the report")
        until(lambda: sum(n for _, n, _ in heard.all.arrived) == 1000, "all of it")
        assert heard.all.arrived == (("1.2.3", 1000, 10_000),)
        assert set(heard.all.uids) == {"1.2.3", *(f"1.2.3.{n}" for n in range(1000))}
        assert len(heard.hints) < 100
        # What is left is told at the end.
        sender.stored(received(1, "1.2.4"))
        sender.stop()
        until(lambda: "1.2.4" in heard.all.uids, "the last one")


def test_nobody_there_costs_nothing_and_who_comes_is_told(tmp_path, sender):
    with pytest.raises(NobodyThere):
        knock(tmp_path, Role.WORKER, Hint(everything=True).encoded())
    sender.start()
    sender.stored(received(1))
    sender.stop()
    assert sender._taken() == Hint()
    # A socket that a killed life left behind.
    open_door(tmp_path, Role.WORKER).close()
    with pytest.raises(NobodyThere):
        knock(tmp_path, Role.WORKER, Hint(everything=True).encoded())
    with Heard(tmp_path) as heard:
        knock(tmp_path, Role.WORKER, Hint(uids=("1.2",)).encoded())
        until(lambda: heard.all.uids == ("1.2",), "the hint")


def test_a_worker_that_hangs_is_told_later_and_holds_up_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(sending, "_MOST", 5 * AT_ONCE)
    door = open_door(tmp_path, Role.WORKER)
    sender = WakeSender(tmp_path)
    sender.start()
    try:
        # Nobody reads: its queue is full after some ten datagrams.
        for number in range(100 * AT_ONCE):
            sender.stored(received(number))
        until(lambda: _pending(sender) == Hint(everything=True), "more than is kept")
        heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        reading = threading.Thread(
            target=lambda: [heard.put(d) for d in iter(lambda: door.recv(2**18), b"")], daemon=True
        )
        reading.start()
        hints: list[Hint] = []

        def told_everything() -> bool:
            while not heard.empty():
                hints.append(Hint.decoded(heard.get()))
            return any(hint.everything for hint in hints[1:]) and _pending(sender) == Hint()

        until(told_everything, "everything")
    finally:
        sender.stop()
        door.shutdown(0)
        door.close()


def _pending(sender: WakeSender) -> Hint:
    with sender._lock:
        return Hint(tuple(sender._uids), (), tuple(sender._reports), sender._everything)


def test_what_nobody_understands_stops_no_listener(tmp_path, caplog):
    with Heard(tmp_path) as heard:
        knock(tmp_path, Role.WORKER, iter([b"from another version"]))
        knock(tmp_path, Role.WORKER, Hint(uids=("1.2",)).encoded())
        until(lambda: heard.all.uids == ("1.2",), "the hint")
    assert "wake.unheard" in caplog.text
    assert "another version" not in caplog.text


def test_a_store_far_down_has_a_door_too(tmp_path):
    root = tmp_path / ("a" * 100) / ("b" * 100)
    with Heard(root) as heard:
        knock(root, Role.WORKER, Hint(uids=("1.2",)).encoded())
        until(lambda: heard.all.uids == ("1.2",), "the hint")
    assert (root / "wake").stat().st_mode & 0o777 == 0o700
