"""``dicomnode ohif`` as a process of its own: OHIF and DICOMweb of a store, on one origin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

from benchmarks.peers.ports import free_port, wait_for_port


class OhifProcess:
    """The command over a store that is there.

    Parameters
    ----------
    folder : Path
        Gets ``node.toml`` and the log; the store is its folder ``store``.
    dist : Path
        The folder `dist` of the npm package `@ohif/app`.
    """

    def __init__(self, folder: Path, dist: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._dist = dist
        self._process: subprocess.Popen[bytes] | None = None
        self.configuration = folder / "node.toml"
        self.configuration.write_text(
            f'[store]\npath = "{folder / "store"}"\n[web]\nloopback_role = "viewer"\n'
        )

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that it has logged."""
        return (self.folder / "ohif.log").read_text()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def study(self, study_instance_uid: str, **more: str) -> str:
        """Address of the viewer's page for a study, with further parameters of the viewer."""
        return (
            f"{self.origin}/viewer?{urlencode({'StudyInstanceUIDs': study_instance_uid, **more})}"
        )

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        command = [sys.executable, "-m", "dicomnode", "ohif", str(self._dist)]
        with open(self.folder / "ohif.log", "ab") as log:
            self._process = subprocess.Popen(
                [*command, "--port", str(self.port), "--config", str(self.configuration)],
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        wait_for_port(self.port, 60.0)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)
