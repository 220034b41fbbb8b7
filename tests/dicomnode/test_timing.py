"""A scheduler ends without a fault and without waiting for itself, whatever it is about to do."""

from __future__ import annotations

import threading
import time

import pytest

from dicomnode.timing import CallScheduler, call_at

PATIENCE_S = 20.0


@pytest.fixture
def faults(monkeypatch) -> list[str]:
    """Names of the exceptions that ended a thread."""
    found: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda a: found.append(a.exc_type.__name__))
    return found


@pytest.fixture
def scheduler() -> CallScheduler:
    made = CallScheduler()
    made.start()
    return made


def end(scheduler: CallScheduler) -> None:
    """Shut it down; it must come back."""
    ending = threading.Thread(target=scheduler.shutdown, daemon=True)
    ending.start()
    ending.join(PATIENCE_S)
    assert not ending.is_alive(), "the end waits for ever"
    assert not scheduler.running


def test_a_call_that_plans_itself_anew_while_it_runs_is_not_lost(scheduler, faults):
    begun: list[float] = []
    twice = threading.Event()

    def call() -> None:
        begun.append(time.monotonic())
        if len(begun) == 1:
            call_at(scheduler, time.time() + 0.05, "same", call)
            time.sleep(0.5)  # the next is due before this one ends
        else:
            twice.set()

    call_at(scheduler, 0.0, "same", call)
    assert twice.wait(PATIENCE_S)
    end(scheduler)
    assert faults == []


def test_it_ends_without_a_fault_while_it_begins_a_call(scheduler, faults, monkeypatch):
    begins = threading.Event()
    submit = scheduler._calls.submit_job

    def slowly(job, run_times) -> None:
        begins.set()
        time.sleep(0.3)
        submit(job, run_times)

    monkeypatch.setattr(scheduler._calls, "submit_job", slowly)
    called = threading.Event()
    call_at(scheduler, 0.0, "now", called.set)
    assert begins.wait(PATIENCE_S)
    end(scheduler)
    assert called.wait(PATIENCE_S)
    assert faults == []


def test_a_call_that_plans_another_while_it_ends_holds_nothing_up(scheduler, faults):
    begun, planned = threading.Event(), threading.Event()
    again = threading.Event()

    def plan() -> None:
        begun.set()
        time.sleep(0.3)
        call_at(scheduler, 0.0, "again", again.set)
        planned.set()

    call_at(scheduler, 0.0, "now", plan)
    assert begun.wait(PATIENCE_S)
    end(scheduler)
    assert planned.is_set()
    assert not again.wait(0.3)
    assert faults == []


def test_what_was_planned_is_not_called_any_more(scheduler, faults):
    called = threading.Event()
    call_at(scheduler, time.time() + 0.2, "soon", called.set)
    end(scheduler)
    assert not called.wait(0.5)
    assert faults == []
