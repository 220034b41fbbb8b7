"""The socket of a part in the store's folder, by which others wake it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from dicomnode.store.lock import Role


class NobodyThere(OSError):
    """The part does not run: what it should know it finds at its start."""


def open_door(root: Path, role: Role) -> socket.socket:
    """Listen for hints to one's own role; what a former life left there goes.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder = root / "wake"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / role).unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        with _short(folder) as short:
            door.bind(f"{short}/{role}")
    except BaseException:
        door.close()
        raise
    return door


def knock(root: Path, role: Role, datagrams: Iterator[bytes]) -> None:
    """Give datagrams to a role, without waiting.

    Raises
    ------
    NobodyThere
    OSError
        BlockingIOError if it does not read what it has.
    """
    try:
        with (
            _short(root / "wake") as short,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told,
        ):
            told.setblocking(False)
            told.connect(f"{short}/{role}")
            for datagram in datagrams:
                told.send(datagram)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NobodyThere(f"the {role} does not run") from error


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A short name of a folder: that of a socket has at most 107 bytes (unix(7))."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
