"""The node as a process of its own, as an administrator runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks.peers.ports import free_port, wait_for_port
from dicomnode.settings import NodeSettings, load_settings
from dicomnode.store.database import Database
from dicomnode.store.tables import Instance


class NodeProcess:
    """``dicomnode serve`` in a folder, with one destination named ``pacs``: it gets SEG alone.

    Parameters
    ----------
    folder : Path
        Gets ``node.toml``, the store and the log.
    pacs_ae_title, pacs_port : str, int
        Where results go.
    sources : sequence of dict
        Tables of ``[[sources]]``.
    destination : dict, optional
        What ``[[destinations]]`` says besides, such as ``{"commit": True}``.
    rule : dict, optional
        What ``[[rules]]`` says besides, such as ``{"report_refusals": True}``.
    rules : sequence of dict, optional
        Several rules in place of the one, to ``pacs``; conditions as ``{"match.modality": "CT"}``.
    **sections
        Tables of the configuration to add to, such as ``collect={"quiet_period_s": 2}``.
    """

    AE_TITLE = "DICOMNODE"

    def __init__(
        self,
        folder: Path,
        pacs_ae_title: str,
        pacs_port: int,
        sources: Sequence[dict[str, Any]] = (),
        destination: dict[str, Any] | None = None,
        rule: dict[str, Any] | None = None,
        rules: Sequence[dict[str, Any]] = (),
        **sections: dict[str, Any],
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.configuration = folder / "node.toml"
        folder.mkdir(parents=True, exist_ok=True)
        tables: dict[str, dict[str, Any]] = {
            "store": {"path": str(folder / "store")},
            "listen": {"ae_title": self.AE_TITLE, "host": "127.0.0.1", "port": self.port},
        }
        for name, values in sections.items():
            tables[name] = tables.get(name, {}) | values
        pacs = {
            "name": "pacs",
            "ae_title": pacs_ae_title,
            "host": "127.0.0.1",
            "port": pacs_port,
            "results": ["fractional-seg"],
        } | (destination or {})
        everything = {"name": "all", **(rule or {})}
        blocks = [_table(f"[{name}]", values) for name, values in tables.items()]
        blocks += [_table("[[destinations]]", pacs)]
        blocks += [
            _table("[[rules]]", {"destinations": ["pacs"]} | one) for one in rules or [everything]
        ]
        blocks += [_table("[[sources]]", source) for source in sources]
        self.configuration.write_text("\n".join(blocks))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> NodeSettings:
        """What the node was told."""
        return load_settings(self.configuration)

    @property
    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / "node.log").read_text()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def pids(self) -> tuple[int, ...]:
        """Of every process that was started and not ended, without their workers."""
        process = self._process
        return () if process is None else (process.pid,)

    def start(self) -> None:
        """Start, and wait until it listens."""
        with open(self.folder / "node.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dicomnode", "serve", "--config", str(self.configuration)],
                stdout=log,
                stderr=log,
                env=self._environment(),
            )
        try:
            wait_for_port(self.port, 60.0)
        except TimeoutError:
            self.kill()
            raise

    def _environment(self) -> dict[str, str]:
        """One thread each for numerics, and bytecode from start to start, as installed nodes have.

        A working tree may be told to keep none, and to compile it takes as long as a start.
        """
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return environment

    def kill(self) -> None:
        """Kill the node at once, without any chance to tidy up."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Stop it as systemd does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(120)
            self._process = None

    def count(self) -> int:
        """Instances stored."""
        with self.rows() as session:
            return session.scalar(select(func.count()).select_from(Instance))

    @contextmanager
    def rows(self) -> Iterator[Session]:
        """Look at its rows while it runs."""
        database = Database(self.settings.store.url)
        try:
            with database.read() as session:
                yield session
        finally:
            database.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self.stop()


def _table(header: str, values: dict[str, Any]) -> str:
    # JSON's numbers, strings, booleans and lists are TOML's too.
    return "\n".join([header, *(f"{k} = {json.dumps(v)}" for k, v in values.items()), ""])
