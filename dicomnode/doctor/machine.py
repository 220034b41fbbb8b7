"""Ports, clock, and the disk of the store."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import Role

_MB = 2**20
_SPEED_MB = 16
_FSYNCS = 20
_SLOW_MB_S = 20.0
_SLOW_FSYNC_MS = 50.0
_TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 1024  # struct timex is 208 bytes long


def look_at_ports(settings: NodeSettings, running: Collection[Role]) -> Iterator[Finding]:
    """Is somebody at the ports of the parts that run, and nobody at those of the others?

    Parameters
    ----------
    settings : NodeSettings
    running : collection of Role
        Parts of the node that some process plays.
    """
    wanted = []
    if not settings.tls.only:
        wanted.append((Role.RECEIVER, "listen", settings.listen.host, settings.listen.port))
    if settings.tls.port is not None:
        wanted.append((Role.RECEIVER, "tls", settings.listen.host, settings.tls.port))
    if settings.web.port is not None:
        wanted.append((Role.WEB, "web", settings.web.host, settings.web.port))
    for role, name, host, port in wanted:
        check, where = f"port [{name}]", f"{host} port {port}"
        if port == 0:
            yield warned(
                check, "port 0 takes another port at each start", f"Set [{name}] port to a number."
            )
        elif role in running and _answers(host, port):
            yield passed(check, f"{where}: the node that runs listens")
        elif role in running:
            yield failed(
                check,
                f"{where}: a node runs, and nobody listens",
                "Restart the node: it may run with another configuration.",
            )
        else:
            yield _can_bind(check, name, host, port)


def _answers(host: str, port: int) -> bool:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        socket.create_connection((own, port), timeout=3).close()
    except OSError:
        return False
    return True


def _can_bind(check: str, name: str, host: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    where = f"{host} port {port}"
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        mend = f"Set another [{name}] host or port."
        if error.errno == errno.EADDRINUSE:
            mend = f"Stop the program that has it (`ss -ltnp`), or set another [{name}] port."
        elif error.errno in (errno.EACCES, errno.EPERM):
            mend = "Ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit."
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return failed(check, f"{where} cannot be listened on: {reason}", mend)
    return passed(check, f"{where} is free, and nothing runs that would listen")


def look_at_clock(newest_row: float | None) -> Iterator[Finding]:
    """Is it kept in step, and not behind what was written before?

    Parameters
    ----------
    newest_row : float, optional
        The newest moment in the database, in seconds since 1970.
    """
    ahead = 0.0 if newest_row is None else newest_row - time.time()
    if ahead > 60:
        yield failed(
            "clock",
            f"it is {ahead:.0f} s behind the newest row of the database",
            "Set the clock; until then nothing that is due then is sent.",
        )
    state = _kernel_clock()
    if state is None:
        yield warned("clock", "whether it is kept in step is not known", "See `timedatectl`.")
    elif state == _TIME_ERROR:
        yield warned(
            "clock",
            "the kernel says that nothing keeps it in step",
            "Run chrony or systemd-timesyncd (`timedatectl set-ntp true`).",
        )
    elif ahead <= 60:
        yield passed("clock", "it is kept in step")


def _kernel_clock() -> int | None:
    """What adjtimex(2) gives when it changes nothing; None where it cannot be asked."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else int(state)


def look_at_disk(settings: NodeSettings) -> Iterator[Finding]:
    """Space, inodes and speed where the store is."""
    root = settings.store.path
    if not root.is_dir():
        yield failed(
            "store",
            f"{root} is no folder",
            "Make it, owned by the user that the node runs as (systemd: StateDirectory=).",
        )
        return
    yield _space(root, settings.store.reserve_mb, settings.pressure.marks_only_mb)
    inodes = os.statvfs(root)
    if inodes.f_files and inodes.f_favail < 10000:
        yield failed(
            "disk inodes", f"{inodes.f_favail} are left", "Delete small files on this file system."
        )
    yield from _speed(root)


def _space(root: Path, reserve_mb: int, marks_only_mb: int) -> Finding:
    usage = shutil.disk_usage(root)
    free = usage.free // _MB
    words = f"{free} of {usage.total // _MB} MB free, {reserve_mb} MB are kept in reserve"
    if free < reserve_mb:
        return failed("disk space", words, "Make room: senders are answered 0xA700.")
    if free < marks_only_mb:
        mend = f"Make room: below [pressure] marks_only_mb ({marks_only_mb}) no CT is received."
        return warned("disk space", words, mend)
    if free < 2 * reserve_mb + 1024:
        return warned("disk space", words, "Make room soon: below the reserve nothing is received.")
    return passed("disk space", words)


def _speed(root: Path) -> Iterator[Finding]:
    block, one = os.urandom(_MB), b"\0" * 4096
    try:
        with tempfile.TemporaryFile(dir=root) as file:
            begun = time.monotonic()
            for _ in range(_SPEED_MB):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            mb_s = _SPEED_MB / max(time.monotonic() - begun, 1e-6)
            waits = []
            for _ in range(_FSYNCS):
                begun = time.monotonic()
                file.write(one)
                file.flush()
                os.fsync(file.fileno())
                waits.append((time.monotonic() - begun) * 1000)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        yield failed(
            "disk speed",
            f"nothing can be written to {root}: {reason}",
            "Run this as the user that the node runs as; make room; look at the mount.",
        )
        return
    median = statistics.median(waits)
    words = f"{mb_s:.0f} MB/s with one fsync, {median:.1f} ms for each fsync of a small write"
    if mb_s < _SLOW_MB_S or median > _SLOW_FSYNC_MS:
        yield warned(
            "disk speed", words, "Put the store on a faster disk: each object waits for an fsync."
        )
    else:
        yield passed("disk speed", words)
