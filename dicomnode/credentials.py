"""Where secrets lie: a file, or a credential that systemd gives to the unit."""

from __future__ import annotations

import os
from pathlib import Path

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd says in which folder it put them."""


def credential_path(path: Path) -> Path:
    """The file that a setting names; a relative one lies with systemd's credentials."""
    return Path(os.environ.get(CREDENTIALS, ".")) / path


def how_to_give(path: Path) -> str:
    """Say how a unit is given a file that is not there; nothing of a file that is no credential."""
    folder = os.environ.get(CREDENTIALS)
    if path.is_absolute() and (folder is None or path.parent != Path(folder)):
        return ""
    return "; it is a credential, which LoadCredential= gives to each unit that needs it"
