"""Workers come and go; the engine stays, and nothing of a data set reaches standard error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pydicom
import pytest

from dicomnode.faults import describe_fault
from dicomnode.jobs.engine import ProcessEngine

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
    monkeypatch.setattr(engine, "submit", lambda _, *arguments: asked.append(arguments))
    engine.warm_up()
    assert asked == [(("closed-form", "3dmm-mg"),)] * 2
