"""Workers come and go; the engine stays, and nothing of a data set reaches standard error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pydicom
import pytest

from dicomnode.faults import describe_fault
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.worker import Limits, WorkerDied

PATIENCE_S = 240.0
SECRET = "DOE^JANE"


def worker_pid(pause_s: float = 0.0) -> int:
    time.sleep(pause_s)
    return os.getpid()


def die() -> None:
    os._exit(3)


def quote_a_patient() -> str:
    """Do what libraries do with an odd data set: warn, and log, with its values."""
    dataset = pydicom.Dataset()
    dataset.PatientBirthDate = SECRET  # no date
    warnings.warn(f"odd name {SECRET}", UserWarning, stacklevel=1)
    pydicom.config.logger.error("odd name %s", SECRET)
    return str(dataset.PatientBirthDate)


def fail_with_a_patient() -> None:
    raise ValueError(f"cannot convert {SECRET}")


@pytest.fixture
def engine():
    engine = ProcessEngine(2)
    yield engine
    engine.stop()


def test_a_worker_that_dies_breaks_its_calls_and_no_later_ones(engine):
    before = engine.submit(worker_pid).result(PATIENCE_S)
    with pytest.raises(BrokenProcessPool):
        engine.submit(die).result(PATIENCE_S)
    after = engine.submit(worker_pid).result(PATIENCE_S)
    assert after not in (before, os.getpid())
    with pytest.raises(BrokenProcessPool):
        engine.submit(die).result(PATIENCE_S)
    assert engine.submit(worker_pid).result(PATIENCE_S) != after


def test_a_worker_that_dies_while_it_has_nothing_to_do_breaks_no_call():
    engine = ProcessEngine(1)
    try:
        for _ in range(2):
            before = engine.submit(worker_pid).result(PATIENCE_S)
            assert engine.alive == 1
            os.kill(before, signal.SIGKILL)
            end = time.monotonic() + PATIENCE_S
            while engine.alive:
                assert time.monotonic() < end
                time.sleep(0.02)
            time.sleep(0.5)  # for the pool, which hears of it a moment later
            assert engine.submit(worker_pid).result(PATIENCE_S) != before
    finally:
        engine.stop()


def test_stopping_lets_a_running_call_end_and_drops_queued_ones(engine):
    engine.submit(worker_pid).result(PATIENCE_S)
    calls = [engine.submit(worker_pid, 0.2) for _ in range(40)]
    engine.stop()
    assert all(call.done() for call in calls)
    assert any(call.cancelled() for call in calls)
    assert not any(call.exception() for call in calls if not call.cancelled())


def test_an_error_in_a_worker_is_placed_and_not_quoted(engine):
    error = engine.submit(fail_with_a_patient).exception(PATIENCE_S)
    text = describe_fault(error)
    assert text.startswith("ValueError in fail_with_a_patient (test_engine.py:")
    assert SECRET not in text


def hold(megabytes: int) -> int:
    held = bytearray(megabytes * 2**20)
    held[::4096] = b"1" * len(held[::4096])
    time.sleep(PATIENCE_S)
    return len(held)


def test_who_is_ended_is_who_took_too_much_and_nobody_else():
    engine = ProcessEngine(2, limits=Limits(memory_mb=600))
    try:
        innocent, greedy = engine.submit(worker_pid, 2.0), engine.submit(hold, 700)
        waiting = engine.submit(worker_pid)
        with pytest.raises(WorkerDied, match=r"took more than 600 MB of memory"):
            greedy.result(PATIENCE_S)
        assert innocent.result(PATIENCE_S)
        assert waiting.result(PATIENCE_S)
    finally:
        engine.stop()


def test_what_takes_too_long_is_ended():
    engine = ProcessEngine(1, limits=Limits(seconds=0.5))
    try:
        with pytest.raises(WorkerDied, match=r"took longer than 0.5 s"):
            engine.submit(worker_pid, PATIENCE_S).result(PATIENCE_S)
        engine.warm_up()  # is no work, and takes as long as it takes
    finally:
        engine.stop()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # a zombie has ended; whoever adopted it has only not looked yet


PARENT = """
from dicomnode.jobs.engine import ProcessEngine
from tests.dicomnode.jobs.test_engine import quote_a_patient, worker_pid

if __name__ == "__main__":
    engine = ProcessEngine(2)
    engine.submit(quote_a_patient).result()
    pids = set()
    while len(pids) < 2:
        pids.update(call.result() for call in [engine.submit(worker_pid, 0.1) for _ in range(4)])
    print(*pids, flush=True)
    engine.submit(worker_pid, 600.0)
    input()
"""


@pytest.fixture
def parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
def test_workers_end_with_a_killed_parent_and_print_nothing_of_a_data_set(parent):
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2, parent.stderr.read()
    assert all(map(alive, pids))
    parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + PATIENCE_S
    while any(map(alive, pids)):
        assert time.monotonic() < end, "workers outlive their parent"
        time.sleep(0.05)
    _, errors = parent.communicate(timeout=PATIENCE_S)
    assert SECRET not in errors


def test_every_worker_is_made_ready_for_the_methods_that_will_be_asked_for(monkeypatch):
    engine = ProcessEngine(2, ["closed-form", "3dmm-mg"])
    asked = []
    monkeypatch.setattr(engine, "_put", lambda call: asked.append(call.arguments))
    engine.warm_up()
    assert asked == [(("closed-form", "3dmm-mg"),)] * 2


def test_a_stop_cancels_what_takes_too_long_and_counts_it_as_no_death():
    engine = ProcessEngine(1, stop_s=0.2)
    engine.submit(worker_pid).result(PATIENCE_S)
    hanging = engine.submit(worker_pid, PATIENCE_S)
    while not hanging.running():
        time.sleep(0.01)
    queued = engine.submit(worker_pid)
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < PATIENCE_S / 2
    for call in (hanging, queued):
        with pytest.raises(CancelledError):
            call.result(0)


def test_what_ends_within_the_grace_is_kept():
    engine = ProcessEngine(1, stop_s=PATIENCE_S)
    engine.submit(worker_pid).result(PATIENCE_S)
    call = engine.submit(worker_pid, 0.5)
    engine.stop()
    assert call.result(0) != os.getpid()
