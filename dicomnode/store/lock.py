"""Who owns a store, or a part of it: two processes would sweep each other's files."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    """A part of the node. Of each there is one process at a time."""

    RECEIVER = "receiver"
    """Owns the incoming files, and indexes what the index does not know."""
    WORKER = "worker"
    """Owns the rows of lesions, results and deliveries, and the files that are made."""
    WEB = "web"
    """Answers by HTTP."""


ROLES = tuple(Role)


class StoreInUse(OSError):
    """Another process owns the store, or a part of it."""


class StoreLock:
    """Advisory locks on a store, which end with the process, however it ends.

    Each role has one, which its owner holds alone. Besides, all who use the store share one, which
    who changes its tables, or plays every role, holds alone.

    Parameters
    ----------
    root : Path
        The store; made where missing.
    roles : collection of Role
        Those that are to be owned; all of them own the whole store.
    """

    def __init__(self, root: Path, roles: Collection[Role] = ROLES) -> None:
        self._root = root
        self._roles = [role for role in ROLES if role in roles]
        self._descriptors: list[int] = []
        self._whole: int | None = None

    def acquire(self) -> None:
        """Own the roles; where they are all, also the store as a whole.

        Raises
        ------
        StoreInUse
            If another process does.
        """
        self.acquire_roles()
        if set(self._roles) == set(ROLES) and not self.take_alone():
            self.release()
            raise StoreInUse(f"{self._root} is in use by another process")

    def acquire_roles(self) -> None:
        """Own the roles, and nothing more yet.

        Raises
        ------
        StoreInUse
            If another process owns one of them.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            for role in self._roles:
                descriptor = _opened(_role_file(self._root, role))
                self._descriptors.append(descriptor)
                if not _locked(descriptor, fcntl.LOCK_EX, patient=True):
                    raise StoreInUse(
                        f"{self._root} is in use by another process: its {role} runs there"
                    )
            self._whole = _opened(self._root / "lock")
        except OSError:
            self.release()
            raise

    def take_alone(self) -> bool:
        """Keep all others out, if there are none. What was shared before is given back."""
        return _locked(self._whole, fcntl.LOCK_EX, patient=len(self._roles) == len(ROLES))

    def take_shared(self) -> bool:
        """Use the store beside others, unless one keeps them out."""
        return _locked(self._whole, fcntl.LOCK_SH)

    def share(self) -> None:
        """Let others in again, beside this process."""
        fcntl.flock(self._whole, fcntl.LOCK_SH)

    def give_back(self) -> None:
        """Neither share the store nor keep others out; the roles stay owned."""
        fcntl.flock(self._whole, fcntl.LOCK_UN)

    def release(self) -> None:
        """Let other processes own all of it. Safe to repeat."""
        held = [*self._descriptors, *([] if self._whole is None else [self._whole])]
        self._descriptors, self._whole = [], None
        for descriptor in held:
            os.close(descriptor)


def running_roles(root: Path) -> set[Role]:
    """Which roles some process plays now. Makes no store.

    Raises
    ------
    OSError
        If the locks cannot be looked at.
    """
    found = set()
    for role in ROLES:
        try:
            descriptor = os.open(_role_file(root, role), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if not _locked(descriptor, fcntl.LOCK_SH):
                found.add(role)
        finally:
            os.close(descriptor)
    return found


def _role_file(root: Path, role: Role) -> Path:
    return root / f"lock.{role}"


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _locked(descriptor: int, how: int, patient: bool = False) -> bool:
    """Lock at once; with patience a moment later, for whoever only looks holds it that long."""
    for wait_s in (0.02, 0.05, 0.1, 0.2, None):
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if not patient or wait_s is None:
                return False
            time.sleep(wait_s)
        else:
            return True
    return False


class NamingLock:
    """Held for the moment in which a file gets its final name, by threads and processes alike.

    Parameters
    ----------
    folder : Path
        It is on this folder, which must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = threading.Lock()
        self._descriptor = -1

    def __enter__(self) -> NamingLock:
        """Wait for it."""
        self._threads.acquire()
        try:
            self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Give it back."""
        os.close(self._descriptor)
        self._threads.release()


class FilesLock:
    """Held by who copies the files of a store, and by who deletes some: not both at a time.

    It is on the folder itself, so that no file of one user keeps another one out.

    Parameters
    ----------
    root : Path
        The store; it must be there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> FilesLock:
        """Take it.

        Raises
        ------
        StoreInUse
            If another process or thread has it.
        """
        self._descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise StoreInUse(f"{self._root}: another process copies or deletes its files") from None
        return self

    def __exit__(self, *exception: object) -> None:
        """Give it back."""
        os.close(self._descriptor)
