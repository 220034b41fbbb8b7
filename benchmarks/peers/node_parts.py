"""The node as three processes on one store, as the units of dicomnode.target run it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.ports import free_port
from dicomnode.health.beat import parts_seen
from dicomnode.store.lock import ROLES, Role

PATIENCE_S = 120.0


class NodeParts(NodeProcess):
    """``dicomnode serve --only`` for each part; what a `NodeProcess` is told, it is told.

    Parameters
    ----------
    folder : Path
        Gets ``node.toml``, the store, and a log of each part.
    pacs_ae_title, pacs_port : str, int
        Where results go.
    **others
        Of `NodeProcess`.
    """

    def __init__(self, folder: Path, pacs_ae_title: str, pacs_port: int, **others: Any) -> None:
        self.web_port = free_port()
        super().__init__(
            folder, pacs_ae_title, pacs_port, **({"web": {"port": self.web_port}} | others)
        )
        self._parts: dict[Role, subprocess.Popen[bytes]] = {}

    @property
    def log(self) -> str:
        """What all parts have logged, one after another."""
        return "".join((self.folder / f"{role}.log").read_text() for role in ROLES)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the parts that were started and not ended, without the worker's processes."""
        return tuple(process.pid for process in list(self._parts.values()))

    def start(self) -> None:
        """Start those that do not run, all at once, and wait until each says that it runs."""
        for role in ROLES:
            if role not in self._parts:
                self.begin(role)
        for role in ROLES:
            self.wait_for(role)

    def begin(self, role: Role) -> None:
        """Start one part, and do not wait for it."""
        with open(self.folder / f"{role}.log", "ab") as log:
            self._parts[role] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "dicomnode",
                    "serve",
                    "--only",
                    role,
                    "--config",
                    str(self.configuration),
                ],
                stdout=log,
                stderr=log,
                env=self._environment(),
            )

    def wait_for(self, role: Role) -> None:
        """Wait until a part says that it runs. Raises TimeoutError where it does not."""
        process, end = self._parts[role], time.monotonic() + PATIENCE_S
        while not self.says(role, process.pid):
            if process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(f"the {role} did not start: {self.folder / f'{role}.log'}")
            time.sleep(0.05)

    def says(self, role: Role, pid: int) -> bool:
        """Whether a process says that it plays a role."""
        (part,) = (part for part in parts_seen(self.settings.store.path) if part.role is role)
        return part.runs and part.beat is not None and part.beat.pid == pid

    def pid_of(self, role: Role) -> int:
        """Of the process that plays a part."""
        return self._parts[role].pid

    def kill_part(self, role: Role) -> None:
        """Kill one part at once, without any chance to tidy up."""
        self._end(role, signal.SIGKILL)

    def stop_part(self, role: Role) -> None:
        """Stop one part as systemd does."""
        self._end(role, signal.SIGTERM)

    def kill(self) -> None:
        """Kill all at once."""
        for role in list(self._parts):
            self._end(role, signal.SIGKILL)

    def stop(self) -> None:
        """Stop all as systemd does: at the same time."""
        for process in self._parts.values():
            process.terminate()
        for role in list(self._parts):
            self._end(role, signal.SIGTERM)

    def _end(self, role: Role, how: signal.Signals) -> None:
        process = self._parts.pop(role, None)
        if process is not None:
            process.send_signal(how)
            process.wait(PATIENCE_S)
