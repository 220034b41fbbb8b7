"""Rows of several threads share a transaction, and each thread hears of its own row."""

from __future__ import annotations

import threading

import pytest

from dicomnode.store.group_commit import GroupCommit


class Disk:
    """Takes rows; waits before the first group, and refuses what is odd."""

    def __init__(self, waits_for: threading.Event | None = None) -> None:
        self.groups: list[list[int]] = []
        self.begun = threading.Event()
        self._waits_for = waits_for

    def write(self, rows) -> None:
        first = not self.begun.is_set()
        self.begun.set()
        if first and self._waits_for is not None:
            assert self._waits_for.wait(20)
        if any(row % 2 for row in rows):
            raise ValueError(f"odd among {rows}")
        self.groups.append(list(rows))


def add_all(commits: GroupCommit[int], rows) -> tuple[list[threading.Thread], dict[int, str]]:
    outcome: dict[int, str] = {}

    def add(row: int) -> None:
        try:
            commits.add(row)
            outcome[row] = "written"
        except ValueError as error:
            outcome[row] = str(error)

    threads = [threading.Thread(target=add, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    return threads, outcome


def brought(commits: GroupCommit[int], count: int) -> None:
    """Wait until so many rows wait for the turn."""
    while len(commits._brought) < count:
        threading.Event().wait(0.001)


def test_one_alone_is_written_at_once():
    disk = Disk()
    commits = GroupCommit(disk.write)
    commits.add(2)
    commits.add(4)
    assert disk.groups == [[2], [4]]


def test_what_comes_while_one_is_written_is_written_together():
    go_on = threading.Event()
    disk = Disk(go_on)
    commits = GroupCommit(disk.write)
    first, outcome = add_all(commits, [0])
    assert disk.begun.wait(20)
    others, more = add_all(commits, [2, 4, 6])
    brought(commits, 3)
    assert outcome | more == {}  # nobody hears of success before it is true
    go_on.set()
    for thread in first + others:
        thread.join()
    assert [sorted(group) for group in disk.groups] == [[0], [2, 4, 6]]
    assert outcome | more == dict.fromkeys([0, 2, 4, 6], "written")


def test_a_row_that_cannot_be_written_keeps_no_other_out():
    go_on = threading.Event()
    disk = Disk(go_on)
    commits = GroupCommit(disk.write)
    first, _ = add_all(commits, [0])
    assert disk.begun.wait(20)
    others, outcome = add_all(commits, [2, 3, 4])
    brought(commits, 3)
    go_on.set()
    for thread in first + others:
        thread.join()
    assert outcome == {2: "written", 3: "odd among [3]", 4: "written"}
    assert sorted(row for group in disk.groups for row in group) == [0, 2, 4]


def test_an_error_is_raised_and_the_next_is_written():
    commits = GroupCommit(Disk().write)
    with pytest.raises(ValueError, match="odd"):
        commits.add(1)
    commits.add(2)


def test_an_interrupt_is_nobodys_success():
    def interrupted(_rows) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        GroupCommit(interrupted).add(1)
