"""DCMTK's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from benchmarks.peers.ports import free_port, wait_for_port


def storescu(
    port: int, called: str, paths: Sequence[Path], *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Send files, or all files below folders, over one association.

    Debian's DCMTK leaves Nagle's algorithm on unless told otherwise; it then waits 40 ms for each
    instance, and a measurement says nothing of the receiver.
    """
    return subprocess.run(
        [
            shutil.which("storescu") or "storescu",
            *("--aetitle", "STORESCU", "--call", called, "--scan-directories", "--recurse"),
            # Without this it proposes a fixed list, which lacks Comprehensive 3D SR.
            "--required",
            *("--max-pdu", "131072", "127.0.0.1", str(port)),
            *map(str, paths),
        ],
        env=os.environ | {"TCP_NODELAY": "1"},
        capture_output=True,
        text=True,
        check=check,
    )


class Storescp:
    """DCMTK's storescp, which neither fsyncs nor indexes: how fast the wire is.

    Parameters
    ----------
    folder : Path
        Gets what is sent.
    *options : str
        Further options of the program.
    """

    AE_TITLE = "STORESCP"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def count(self) -> int:
        """Instances stored."""
        return sum(1 for path in self.folder.iterdir() if path.is_file())

    def __enter__(self) -> Self:
        """Start, and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        program = shutil.which("storescp") or "storescp"
        self._process = subprocess.Popen(
            [
                program,
                *self._options,
                "--max-pdu",
                "131072",
                "-od",
                str(self.folder),
                str(self.port),
            ],
            env=os.environ | {"TCP_NODELAY": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self._process.terminate()
        self._process.wait(30)
