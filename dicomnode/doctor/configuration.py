"""Does the configuration make sense beyond being valid?"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.settings import NodeSettings


def look_at_configuration(settings: NodeSettings, path: Path) -> Iterator[Finding]:
    """Rules, destinations, and who may read the secrets in the file."""
    yield passed("configuration", f"{path}: {len(settings.rules)} rule(s) can be read")
    if not settings.rules:
        yield failed(
            "rules", "there is none, so that every mark is refused", "Write a [[rules]] table."
        )
    used = {name for rule in settings.rules for name in rule.destinations}
    unused = sorted({destination.name for destination in settings.destinations} - used)
    if unused:
        yield warned(
            "destinations",
            f"no rule names {', '.join(unused)}",
            "Name them in `destinations` of a rule, or take them out.",
        )
    yield from _secrets(settings, path)


def _secrets(settings: NodeSettings, path: Path) -> Iterator[Finding]:
    peers = (*settings.destinations, *settings.sources)
    web = [getattr(peer, "dicomweb", None) or peer for peer in peers]
    if not any(getattr(peer, "headers", None) for peer in web):
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o007:
        yield warned(
            "secrets",
            f"{path} holds headers and can be read by everybody (mode {mode:04o})",
            f"chmod 640 {path}, with the node's group.",
        )
    else:
        yield passed("secrets", f"{path} cannot be read by everybody")
