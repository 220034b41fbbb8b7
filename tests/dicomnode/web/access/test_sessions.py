"""Sessions and failed attempts, by a clock of the test's own."""

from __future__ import annotations

from dicomnode.web.access.attempts import FailedAttempts
from dicomnode.web.access.sessions import Sessions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_when_it_is_idle_and_when_it_is_old():
    clock = Clock()
    sessions = Sessions(longest_s=100, idle_s=30, clock=clock)
    used, idle = sessions.begin("a"), sessions.begin("a")
    for _ in range(4):
        clock.now += 25
        assert sessions.find(used) is not None
    assert sessions.find(idle) is None
    clock.now += 1
    assert sessions.find(used) is None


def test_a_page_that_renews_itself_keeps_no_session_alive():
    clock = Clock()
    sessions = Sessions(longest_s=100, idle_s=30, clock=clock)
    shown = sessions.begin("a")
    for _ in range(2):
        clock.now += 15
        assert sessions.find(shown, is_use=False) is not None
    clock.now += 1
    assert sessions.find(shown, is_use=False) is None


def test_sessions_take_bounded_room_and_the_unused_go_first(monkeypatch):
    monkeypatch.setattr("dicomnode.web.access.sessions._MOST", 3)
    clock = Clock()
    sessions = Sessions(100, 100, clock)
    shown = []
    for _ in range(3):
        clock.now += 1
        shown.append(sessions.begin("a"))
    clock.now += 1
    sessions.find(shown[0])
    sessions.begin("a")
    assert [sessions.find(one) is not None for one in shown] == [True, False, True]
    assert sessions.find("\udcff") is None


def test_attempts_come_back_one_at_a_time():
    clock = Clock()
    attempts = FailedAttempts(most=2, every_s=10, clock=clock)
    for _ in range(2):
        assert attempts.wait_s("10.0.0.1") == 0
        attempts.failed("10.0.0.1")
    assert attempts.wait_s("10.0.0.1") == 10
    assert attempts.wait_s("10.0.0.2") == 0
    clock.now += 10
    assert attempts.wait_s("10.0.0.1") == 0
    attempts.failed("10.0.0.1")
    assert attempts.wait_s("10.0.0.1") == 10
    clock.now += 1000
    assert attempts.wait_s("10.0.0.1") == 0


def test_a_host_of_ipv6_is_its_network():
    attempts = FailedAttempts(most=1)
    attempts.failed("2001:db8::1")
    assert attempts.wait_s("2001:db8::ffff:1") > 0
    assert attempts.wait_s("2001:db8:0:1::1") == 0
