"""The web part, and what the other parts answer by HTTP where they run on their own."""

from __future__ import annotations

from collections.abc import Collection

from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.registry import metrics_of
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import Role
from dicomnode.web.application import application
from dicomnode.web.service import WebService


def web_service(
    settings: NodeSettings, vitals: Vitals, health: Health, roles: Collection[Role]
) -> WebService | None:
    """Health, metrics and, of the web part, pages; None where there is no port for it."""
    names = [destination.name for destination in settings.destinations]
    if Role.WEB in roles:
        port = settings.web.port
        served = application(health, metrics_of(vitals, health, names))
    else:
        port = port_of(settings, roles)
        served = application(health, metrics_of(vitals, health, names, rows=False))
    return None if port is None else WebService(settings.web.host, port, served)


def port_of(settings: NodeSettings, roles: Collection[Role]) -> int | None:
    """Where a process that plays these roles, and not the web's, tells how it is."""
    own = {Role.RECEIVER: settings.parts.receiver_port, Role.WORKER: settings.parts.worker_port}
    return next((own[role] for role in own if role in roles and own[role] is not None), None)
