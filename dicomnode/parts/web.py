"""The web part, and what the other parts answer by HTTP where they run on their own."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.routing import BaseRoute

from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.registry import metrics_of
from dicomnode.parts.ground import Ground
from dicomnode.receive.intake import Intake
from dicomnode.settings import NodeSettings
from dicomnode.store.files import FileStore
from dicomnode.store.lock import Role
from dicomnode.store.received import ReceivedInstance
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile, tokens_path
from dicomnode.web.application import application
from dicomnode.web.dicomweb import dicomweb_of
from dicomnode.web.operator.routes import operator_routes
from dicomnode.web.service import WebService


def web_service(
    ground: Ground,
    vitals: Vitals,
    health: Health,
    roles: Collection[Role],
    on_stored: Callable[[ReceivedInstance], object],
) -> WebService | None:
    """Health, metrics and, of the web part, pages and DICOMweb; None where no port is for it.

    Parameters
    ----------
    ground : Ground
    vitals : Vitals
    health : Health
    roles : collection of Role
        Those of this process.
    on_stored : callable
        Given each instance that DICOMweb took in; must be quick.
    """
    settings = ground.settings
    web, routes = settings.web, ()
    if Role.WEB not in roles:
        # A part tells how it is, and nothing else.
        port = port_of(settings, roles)
        web = web.model_copy(update={"port": port, "socket": None, "proxy": None})
    if not web.served:
        return None
    if Role.WEB in roles:
        routes = _pages(ground, on_stored)
    names = [destination.name for destination in settings.destinations]
    metrics = metrics_of(vitals, health, names, rows=Role.WEB in roles)
    access = Access(web, TokenFile(tokens_path(web, settings.store.path)))
    return WebService(web, application(health, metrics, access, routes))


def _pages(
    ground: Ground, on_stored: Callable[[ReceivedInstance], object]
) -> tuple[BaseRoute, ...]:
    settings = ground.settings
    files = FileStore(settings.store.path, settings.store.reserve_mb * 2**20)
    intake = Intake(files, ground.index, on_stored, ground.pressure)
    return (
        *operator_routes(settings, ground.database),
        *dicomweb_of(settings, ground.database, intake),
    )


def port_of(settings: NodeSettings, roles: Collection[Role]) -> int | None:
    """Where a process that plays these roles, and not the web's, tells how it is."""
    own = {Role.RECEIVER: settings.parts.receiver_port, Role.WORKER: settings.parts.worker_port}
    return next((own[role] for role in own if role in roles and own[role] is not None), None)
