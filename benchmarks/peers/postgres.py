"""Debian's PostgreSQL, with a cluster of its own in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from benchmarks.peers.ports import free_port

_SEARCH_PATH = os.pathsep.join(
    [
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True),
        os.environ.get("PATH", ""),
    ]
)
PROGRAM = shutil.which("postgres", path=_SEARCH_PATH)


class Postgres:
    """One server on loopback, whose superuser is ``node`` without a password.

    It does not run as root: root starts it as the user ``postgres``.

    Attributes
    ----------
    folder : Path
        Of the cluster and its log, until the server is stopped. Not in pytest's folder, which only
        its owner may enter.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="postgres-")
        self.folder = folder = Path(self._temporary.name)
        self.port = free_port()
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        subprocess.run(
            self._line("initdb", "-D", folder / "data", "-A", "trust", "-U", "node", "-N"),
            check=True,
            capture_output=True,
            cwd=folder,
            timeout=120,
        )

    def url(self, name: str = "postgres") -> str:
        """SQLAlchemy's URL of a database of it."""
        return f"postgresql+psycopg://node@127.0.0.1:{self.port}/{name}"

    def create(self, name: str) -> str:
        """Make an empty database; return its URL."""
        engine = create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return self.url(name)

    def start(self) -> None:
        """Start, and wait until it answers.

        Raises
        ------
        TimeoutError
            If it does not; its log says why.
        """
        engine = create_engine(self.url())
        end = time.monotonic() + 60
        self._begin()
        while time.monotonic() < end:
            # A process of a server that was killed may hold its memory for a moment longer.
            if self._process.poll() is not None:
                self._begin()
            try:
                engine.connect().close()
            except OperationalError:  # it recovers
                time.sleep(0.1)
            else:
                engine.dispose()
                return
        raise TimeoutError(f"PostgreSQL does not answer; see {self.folder / 'log'}")

    def _begin(self) -> None:
        told = ("-p", self.port, "-k", self.folder, "-c", "listen_addresses=127.0.0.1")
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._line("postgres", "-D", self.folder / "data", *told),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def kill(self) -> None:
        """Kill all its processes at once, and wait until they are gone."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop it, whoever is connected, and delete all of it."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()

    @staticmethod
    def _line(program: str, *arguments: object) -> list[str]:
        path = shutil.which(program, path=_SEARCH_PATH)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        return [*(as_user if os.getuid() == 0 else ()), path, *map(str, arguments)]
