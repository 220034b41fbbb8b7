"""DCMTK's programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


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
