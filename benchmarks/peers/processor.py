"""Processor time of a program and its children."""

from __future__ import annotations

import time

import psutil


def processor_s(pid: int) -> float:
    """User and system time so far, in seconds, of a process and those that it started."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)


def own_processor_s(pid: int) -> float:
    """User and system time so far, in seconds, of a process without those that it started."""
    return sum(psutil.Process(pid).cpu_times()[:2])


def wait_until_idle(pid: int, most_s: float = 180.0) -> None:
    """Wait until a program and its children take less than a twentieth of a core for a second.

    Raises
    ------
    TimeoutError
        They take more for longer than `most_s`.
    """
    end = time.monotonic() + most_s
    before = processor_s(pid)
    while time.monotonic() < end:
        time.sleep(1.0)
        now = processor_s(pid)
        if now - before < 0.05:
            return
        before = now
    raise TimeoutError(f"process {pid} is not idle after {most_s:g} s")
