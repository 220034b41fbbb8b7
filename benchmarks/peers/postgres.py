"""Debian's PostgreSQL, with a cluster of its own in a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Self

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from benchmarks.peers.ports import free_port, wait_for_port

_SEARCH_PATH = os.pathsep.join(
    [
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True),
        os.environ.get("PATH", ""),
    ]
)
PROGRAM = shutil.which("postgres", path=_SEARCH_PATH)


class Postgres:
    """One server on loopback, whose superuser is ``node`` without a password.

    It does not run as root: root starts it as the user ``postgres``, who must be able to reach the
    folder.

    Parameters
    ----------
    folder : Path
        Gets the cluster and its log; must not be there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        folder.mkdir(parents=True)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
            for parent in folder.parents:  # pytest's folders are for their owner alone
                if not os.access(parent, os.W_OK) or parent == Path("/tmp"):
                    break
                parent.chmod(parent.stat().st_mode | 0o011)
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
        """Start, and wait until it answers."""
        told = ("-p", self.port, "-k", self.folder, "-c", "listen_addresses=127.0.0.1")
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                self._line("postgres", "-D", self.folder / "data", *told),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        wait_for_port(self.port)
        engine = create_engine(self.url())
        end = time.monotonic() + 60
        while True:
            try:
                engine.connect().close()
                break
            except OperationalError:  # it recovers
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        engine.dispose()

    def kill(self) -> None:
        """Kill all its processes at once, and wait until they are gone."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(60)

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
