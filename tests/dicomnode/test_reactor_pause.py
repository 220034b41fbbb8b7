"""Who pauses the reactor between its two words finds it running, and waits for it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from dicomnode.reactor_pause import ReactorPause


def test_a_pause_comes_before_or_after_the_step_and_never_between():
    association = SimpleNamespace(_is_paused=True, _reactor_checkpoint=None)
    pause = ReactorPause(association)
    association._reactor_checkpoint = pause
    assert pause.wait()
    assert association._is_paused is False  # who pauses now sees that it runs
    pause.clear()
    association._is_paused = True
    gone_on = threading.Event()
    reactor = threading.Thread(target=lambda: (pause.wait(), gone_on.set()), daemon=True)
    reactor.start()
    assert not gone_on.wait(0.2)
    assert association._is_paused is True
    pause.set()
    assert gone_on.wait(10)
    assert association._is_paused is False


def test_a_reactor_goes_by_it_once_it_is_in_place():
    association = SimpleNamespace(_is_paused=False, _reactor_checkpoint=threading.Event())
    pause = ReactorPause(association)
    reactor = threading.Timer(0.05, lambda: association._reactor_checkpoint.wait())
    reactor.start()
    pause.put_in_place()
    assert pause._used.is_set()
    reactor.join()
