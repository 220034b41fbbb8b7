"""Who runs a command."""

from __future__ import annotations

import os
import pwd


def user() -> str:
    """The user of the operating system, and who became it by sudo."""
    number = os.getuid()
    try:
        name = pwd.getpwuid(number).pw_name
    except KeyError:  # a container may have no name for it
        name = str(number)
    before = os.environ.get("SUDO_USER")
    return f"{name} ({before})" if before and before != name else name
