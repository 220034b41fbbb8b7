"""The comparison of receivers counts what it says that it counts."""

from __future__ import annotations

import os
import subprocess
import sys

import pydicom
import pytest

from benchmarks.peers.processor import own_processor_s, processor_s, wait_until_idle
from benchmarks.receive import Run, rows_of, write_shares


def test_each_sender_has_a_series_of_its_own_and_all_have_the_count_together(tmp_path):
    folders = write_shares(tmp_path, 4, 10, 4)
    read = [[pydicom.dcmread(path) for path in sorted(folder.iterdir())] for folder in folders]
    assert [len(slices) for slices in read] == [3, 3, 2, 2]
    assert [len({one.SeriesInstanceUID for one in slices}) for slices in read] == [1, 1, 1, 1]
    assert len({slices[0].SeriesInstanceUID for slices in read}) == 4
    assert len({one.SOPInstanceUID for slices in read for one in slices}) == 10


def test_ratios_are_of_medians_and_to_orthanc_with_as_many_senders():
    runs = [
        Run("node", senders, wall, cpu, 2 * cpu, 400)
        for senders, wall, cpu in [(1, 1.0, 0.5), (1, 2.0, 0.6), (1, 9.0, 0.7), (4, 1.0, 1.0)]
    ] + [
        Run("Orthanc", senders, wall, cpu, cpu, 400)
        for senders, wall, cpu in [(1, 4.0, 2.0), (1, 4.0, 2.0), (1, 5.0, 3.0), (4, 2.0, 5.0)]
    ]
    found = {(row.server, row.senders): row for row in rows_of(runs)}
    one, four = found["node", 1], found["node", 4]
    assert (one.wall_s, one.least_wall_s, one.most_wall_s) == (2.0, 1.0, 9.0)
    assert (one.wall_ratio, one.receiver_cpu_ratio) == (0.5, pytest.approx(0.3))
    assert one.whole_cpu_ratio == pytest.approx(0.6)
    assert (four.wall_ratio, four.receiver_cpu_ratio) == (0.5, 0.2)
    assert found["Orthanc", 4].whole_cpu_ratio == 1.0


def test_a_process_is_counted_without_its_children_and_the_whole_with_them():
    child = (
        "import sys, time\n"
        "while time.process_time() < 0.3: pass\n"
        "print(flush=True); sys.stdin.read()"
    )
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        whole, own = processor_s(process.pid), own_processor_s(process.pid)
        assert whole - own > 0.2
        process.stdin.close()


def test_who_never_rests_is_waited_for_no_longer_than_said():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            with pytest.raises(TimeoutError, match="not idle after 2 s"):
                wait_until_idle(busy.pid, 2.0)
        finally:
            busy.kill()
    assert own_processor_s(os.getpid()) > 0
