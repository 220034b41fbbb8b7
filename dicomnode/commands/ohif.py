"""``dicomnode ohif``: a local build of OHIF beside the node's DICOMweb."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened_database
from dicomnode.logs import start_logging
from dicomnode.settings import NodeSettings
from dicomnode.settings.web import WebSettings


@app.command()
def ohif(
    path: Annotated[
        Path, typer.Argument(help="A build of OHIF 3: the folder dist of npm's @ohif/app.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 11181,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Show studies and results in OHIF, until Ctrl-C. Research only, not for diagnosis.

    OHIF and DICOMweb are served from one address, which is that of [web] with another port; people
    sign in as they do there. The node may run meanwhile, or not. Nothing is taken in, and nothing
    is asked of other machines.
    """
    # The web service takes a moment to import; no other command should wait for it.
    from starlette.applications import Starlette

    from dicomnode.audit.service import AuditService
    from dicomnode.timing import CallScheduler
    from dicomnode.web.access.access import Access
    from dicomnode.web.access.tokens import TokenFile, tokens_path
    from dicomnode.web.audited import looks_audited, sign_ins_audited
    from dicomnode.web.dicomweb import dicomweb_of
    from dicomnode.web.ohif import NotOhif, OhifBuild
    from dicomnode.web.pages import static_files
    from dicomnode.web.service import WebService

    settings = configured(config)
    settings = settings.model_copy(update={"web": _beside(settings.web, port)})
    try:
        build = OhifBuild(path)
    except NotOhif as error:
        raise complain(str(error)) from None
    start_logging(settings.log_level, settings.log.format)
    with opened_database(settings) as database:
        audit = AuditService(settings, database, CallScheduler(), keeps=False)
        tokens = TokenFile(tokens_path(settings.web, settings.store.path))
        access = Access(settings.web, tokens, sign_ins_audited(audit.trail))
        dicomweb = dicomweb_of(settings, database, on_look=looks_audited(audit.trail))
        routes = [*access.routes, static_files(), *dicomweb]
        application = Starlette(
            routes=[*routes, *build.routes()],
            middleware=list(access.middleware),
            exception_handlers=access.exception_handlers,
        )
        service = WebService(settings.web, application)
        audit.start()
        try:
            service.start()
            console.print(f"OHIF: {_address(settings, service.port)}", highlight=False)
            _until_told()
        except OSError as error:
            raise complain(str(error)) from None
        finally:
            service.stop()
            audit.stop()


def _beside(web: WebSettings, port: int) -> WebSettings:
    """As the node's own service, at another port and with DICOMweb."""
    # How viewers reach the node's own DICOMweb is not how they reach this one.
    changes = {"port": port, "socket": None, "dicomweb": True, "dicomweb_url": None}
    return web.model_copy(update=changes)


def _address(settings: NodeSettings, port: int | None) -> str:
    web = settings.web
    host = f"[{web.host}]" if ":" in web.host else web.host
    return f"{'http' if web.tls is None else 'https'}://{host}:{port}/"


def _until_told() -> None:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()
