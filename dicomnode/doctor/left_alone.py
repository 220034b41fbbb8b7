"""Does the node go by the file's rules, and does it tell somebody when it needs a person?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.rule_reload import RulesStatus, dumped
from dicomnode.settings import NodeSettings


def look_at_rules_in_force(settings: NodeSettings) -> Iterator[Finding]:
    """Of a node that runs: whether its rules are the file's."""
    try:
        status = RulesStatus.read(settings.store.path)
    except OSError as error:
        yield warned(
            "rules in force",
            f"what the node says of them cannot be read ({error.strerror})",
            "Run this as the user that the node runs as.",
        )
        return
    if status is None:
        return
    if status.rules != dumped(settings.routes):
        why = "" if status.problem is None else f"; the last reload was not taken: {status.problem}"
        yield warned(
            "rules in force",
            f"the node goes by other rules than the file's{why}",
            "`dicomnode rules` shows both; reload the node.",
        )
    elif status.restart_for:
        yield warned(
            "rules in force",
            f"those of the file, but {', '.join(status.restart_for)} have changed since the start",
            "Restart the node when it suits.",
        )
    else:
        yield passed("rules in force", f"{len(status.rules)}, those of the file")


def look_at_alerts(settings: NodeSettings) -> Iterator[Finding]:
    """Whether anybody is told, and whether the secrets for it can be read, by the right ones."""
    alerts = settings.alerts
    if alerts.email is None and alerts.webhook is None:
        yield warned(
            "alerts",
            "nobody is told of dead letters, failed lesions, destinations that are away",
            "Set [alerts.email] or [alerts.webhook], or watch the metrics.",
        )
        return
    secrets: list[tuple[str, Path]] = []
    if alerts.email is not None and alerts.email.password_file is not None:
        secrets.append(("[alerts.email] password_file", alerts.email.password_file))
    if alerts.webhook is not None and alerts.webhook.token_file is not None:
        secrets.append(("[alerts.webhook] token_file", alerts.webhook.token_file))
    found = [_secret(name, path) for name, path in secrets]
    yield from [finding for finding in found if finding is not None]
    if not any(found):
        channels = [name for name in ("email", "webhook") if getattr(alerts, name) is not None]
        yield passed("alerts", f"go by {' and '.join(channels)}")


def _secret(name: str, path: Path) -> Finding | None:
    """What is wrong with one; a credential of systemd can be read by the unit alone."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not path.is_absolute() and folder is None:
        return None
    where = Path(folder or "/") / path
    try:
        with where.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        return failed(
            "alerts",
            f"{name}: {where} cannot be read ({error.strerror})",
            "Let the node's user read it, or give it by LoadCredential= of the unit.",
        )
    if mode & 0o007:
        return warned(
            "alerts",
            f"{name}: {where} can be read by everybody (mode {mode:04o})",
            f"chmod 640 {where}, with the node's group.",
        )
    return None
