"""Work that is killed in its midst, as `kill -9` does it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


def kill_me() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in(work: Callable[[], object]) -> None:
    """Do `work`, which is to call `kill_me`, in a copy of this process."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)  # not killed: the test fails
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
