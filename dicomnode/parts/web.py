"""The web part, and what the other parts answer by HTTP where they run on their own."""

from __future__ import annotations

from collections.abc import Collection

from starlette.routing import BaseRoute

from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.registry import metrics_of
from dicomnode.parts.ground import Ground
from dicomnode.parts.posting import Posting
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import Role
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile, tokens_path
from dicomnode.web.application import application
from dicomnode.web.audited import looks_audited, sign_ins_audited
from dicomnode.web.dicomweb import dicomweb_of
from dicomnode.web.lesion import lesion_routes
from dicomnode.web.lesion.workbench import Workbench
from dicomnode.web.operator.routes import operator_routes
from dicomnode.web.reader_study import reader_study_routes
from dicomnode.web.service import WebService


class Web:
    """Answers by HTTP: how a process is and, of the web part, pages and DICOMweb.

    Parameters
    ----------
    ground : Ground
    vitals : Vitals
    health : Health
    roles : collection of Role
        Those of this process.
    posting : Posting, optional
        What DICOMweb takes objects in by.
    """

    def __init__(
        self,
        ground: Ground,
        vitals: Vitals,
        health: Health,
        roles: Collection[Role],
        posting: Posting | None = None,
    ) -> None:
        settings, web = ground.settings, ground.settings.web
        self._service: WebService | None = None
        self._workbench: Workbench | None = None
        routes: tuple[BaseRoute, ...] = ()
        if Role.WEB not in roles:
            # A part tells how it is, and nothing else.
            port = port_of(settings, roles)
            web = web.model_copy(update={"port": port, "socket": None, "proxy": None})
        if not web.served:
            return
        if Role.WEB in roles:
            on_look = looks_audited(ground.audit.trail)
            intake = None if posting is None else posting.intake
            self._workbench = Workbench(settings.networks.options)
            routes = (
                *operator_routes(
                    settings, ground.database, on_look, lesion_pages=True, trail=ground.audit.trail
                ),
                *lesion_routes(ground.database, on_look, self._workbench),
                *reader_study_routes(ground.database, on_look),
                *dicomweb_of(settings, ground.database, intake, on_look),
            )
        names = [destination.name for destination in settings.destinations]
        metrics = metrics_of(vitals, health, names, rows=Role.WEB in roles, audit=ground.audit)
        tokens = TokenFile(tokens_path(web, settings.store.path))
        access = Access(web, tokens, sign_ins_audited(ground.audit.trail))
        self._service = WebService(web, application(health, metrics, access, routes))

    @property
    def port(self) -> int | None:
        """The port that is listened on; None where there is none."""
        return None if self._service is None else self._service.port

    def start(self) -> None:
        """Listen, where that is asked for. Raises OSError where it cannot be."""
        if self._service is not None:
            self._service.start()

    def stop(self) -> None:
        """Let answers that are being given end. Safe to repeat."""
        if self._service is not None:
            self._service.stop()
        if self._workbench is not None:
            self._workbench.stop()

    def reload_certificate(self) -> bool:
        """Read its certificate again; what is open goes on."""
        return self._service is None or self._service.reload_certificate()


def port_of(settings: NodeSettings, roles: Collection[Role]) -> int | None:
    """Where a process that plays these roles, and not the web's, tells how it is."""
    own = {Role.RECEIVER: settings.parts.receiver_port, Role.WORKER: settings.parts.worker_port}
    return next((own[role] for role in own if role in roles and own[role] is not None), None)
