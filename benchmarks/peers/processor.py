"""Processor time of a program and its children."""

from __future__ import annotations

import psutil


def processor_s(pid: int) -> float:
    """User and system time so far, in seconds, of a process and those that it started."""
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)
