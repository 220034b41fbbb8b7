"""Who pauses the reactor pauses it for certain, and waits for no pause that has begun or cannot."""

from __future__ import annotations

import threading
import time

import pytest
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from dicomnode.reactor_pause import ReactorPause

PATIENCE_S = 20.0


class Reactor(Association):
    """An association of which only the reactor's loop runs, a step at a time."""

    def __init__(self) -> None:
        super().__init__(AE(), "requestor")
        self.daemon = True
        self.steps = 0
        self.ends = False
        self.finish = threading.Event()
        self.finish.set()
        self.held_in_a_step = threading.Event()
        self.seen_in_steps: set[bool] = set()

    def run(self) -> None:
        while not self.ends:
            self._is_paused = True
            self._reactor_checkpoint.wait()
            self._is_paused = False
            self.steps += 1
            self.seen_in_steps.add(self._is_paused)
            if not self.finish.is_set():
                self.held_in_a_step.set()
                self.finish.wait()


@pytest.fixture
def reactor():
    made = Reactor()
    made.start()
    yield made
    made.ends = True
    made._reactor_checkpoint.set()
    made.finish.set()
    made.join(PATIENCE_S)
    assert not made.is_alive()


def put_in_place(reactor: Reactor) -> ReactorPause:
    pause = ReactorPause(reactor)
    pause.put_in_place()
    assert pause._used.is_set()  # the reactor goes by it from now on
    return pause


def until_paused(reactor: Reactor) -> None:
    """As pynetdicom waits before it sends."""
    end = time.monotonic() + PATIENCE_S
    while not reactor._is_paused:
        assert time.monotonic() < end, "never paused"
        time.sleep(0.0001)


def test_a_paused_reactor_takes_no_step(reactor):
    pause = put_in_place(reactor)
    for _ in range(50):
        pause.clear()
        until_paused(reactor)
        steps = reactor.steps
        time.sleep(0.001)
        assert reactor.steps == steps
        pause.set()


def test_it_is_not_paused_within_a_step_whoever_says_so(reactor):
    pause = put_in_place(reactor)
    reactor.finish.clear()
    assert reactor.held_in_a_step.wait(PATIENCE_S)
    pause.clear()
    reactor._is_paused = True  # the thread that serves a report
    assert not reactor._is_paused
    reactor.finish.set()
    until_paused(reactor)


def test_who_waited_in_vain_is_not_held(reactor):
    pause = ReactorPause(reactor)  # not in place: the reactor does not wait here as well
    pause.clear()
    assert not pause.wait(0.01)
    assert not pause.holds()


def test_it_stays_paused_whoever_says_that_it_is_not(reactor):
    pause = put_in_place(reactor)
    pause.clear()
    until_paused(reactor)
    reactor._is_paused = False  # the thread that served a report
    assert reactor._is_paused


def test_nobody_waits_for_a_reactor_that_has_ended(reactor):
    pause = put_in_place(reactor)
    reactor.ends = True
    reactor.join(PATIENCE_S)
    pause.clear()
    until_paused(reactor)


def test_the_reactor_itself_need_not_wait(reactor):
    put_in_place(reactor)
    reactor.seen_in_steps.clear()
    steps = reactor.steps
    end = time.monotonic() + PATIENCE_S
    while reactor.steps < steps + 3:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert reactor.seen_in_steps == {True}


def test_an_association_is_released_while_a_report_is_said_to_be_served():
    ae = AE()
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    try:
        asking = AE()
        asking.add_requested_context(Verification)
        released = threading.Event()
        association = asking.associate(
            "127.0.0.1",
            server.socket.getsockname()[1],
            evt_handlers=[(evt.EVT_RELEASED, lambda _: released.set())],
        )
        assert association.is_established
        ReactorPause(association).put_in_place()
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                association._is_paused = False

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        assert association.send_c_echo().Status == 0x0000
        association.release()
        done.set()
        assert released.wait(PATIENCE_S)
        assert association.is_released
    finally:
        server.shutdown()
