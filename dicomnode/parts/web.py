"""The web part, and what the other parts answer by HTTP where they run on their own."""

from __future__ import annotations

from collections.abc import Collection

from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.registry import metrics_of
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import Role
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile, tokens_path
from dicomnode.web.application import application
from dicomnode.web.service import WebService


def web_service(
    settings: NodeSettings, vitals: Vitals, health: Health, roles: Collection[Role]
) -> WebService | None:
    """Health, metrics and, of the web part, pages; None where there is no port for it."""
    web = settings.web
    if Role.WEB not in roles:
        # A part tells how it is, and nothing else.
        port = port_of(settings, roles)
        web = web.model_copy(update={"port": port, "socket": None, "proxy": None})
    if not web.served:
        return None
    names = [destination.name for destination in settings.destinations]
    metrics = metrics_of(vitals, health, names, rows=Role.WEB in roles)
    access = Access(web, TokenFile(tokens_path(web, settings.store.path)))
    return WebService(web, application(health, metrics, access))


def port_of(settings: NodeSettings, roles: Collection[Role]) -> int | None:
    """Where a process that plays these roles, and not the web's, tells how it is."""
    own = {Role.RECEIVER: settings.parts.receiver_port, Role.WORKER: settings.parts.worker_port}
    return next((own[role] for role in own if role in roles and own[role] is not None), None)
