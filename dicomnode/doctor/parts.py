"""Which parts of the node run, each in a process of its own or all in one, and are they well?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.health.beat import PartSeen, parts_seen
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import Role
from dicomnode.version import VERSION


def parts_of(settings: NodeSettings) -> tuple[PartSeen, ...]:
    """All parts as they are seen now; those that run nowhere where that cannot be seen."""
    try:
        return parts_seen(settings.store.path)
    except OSError:
        return tuple(PartSeen(role, False, None) for role in Role)


def look_at_parts(settings: NodeSettings, parts: Sequence[PartSeen]) -> Iterator[Finding]:
    """Say how each is, where any runs."""
    running = [part for part in parts if part.runs]
    if not running:
        return
    if len(running) == len(parts) and not any(part.beat for part in running):
        yield passed("parts", "one process plays all")
        return
    for part in parts:
        if part.runs or part.role is not Role.WEB or settings.web.served:
            yield _finding(part)


def _finding(part: PartSeen) -> Finding:
    check, unit = f"part {part.role}", f"dicomnode-{part.role}"
    problem = part.problem
    if problem is not None:
        verb = "restart" if part.runs else "start"
        return failed(check, problem, f"`systemctl {verb} {unit}`; `journalctl -u {unit}` has why.")
    if part.beat is None:
        return passed(check, "runs, and has said nothing yet")
    since = datetime.fromtimestamp(part.beat.started_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    words = f"process {part.beat.pid} since {since}: {part.beat.status}"
    if part.beat.version != VERSION:
        return warned(
            check,
            f"{words}; it is of version {part.beat.version}, and {VERSION} is installed",
            f"`systemctl restart {unit}`.",
        )
    return passed(check, words)
