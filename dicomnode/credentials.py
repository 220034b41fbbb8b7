"""Where secrets lie: a file, or a credential that systemd gives to the unit."""

from __future__ import annotations

import os
from pathlib import Path

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd says in which folder it put them."""


def credential_path(path: Path) -> Path:
    """The file that a setting names; a relative one lies with systemd's credentials."""
    return Path(os.environ.get(CREDENTIALS, ".")) / path
