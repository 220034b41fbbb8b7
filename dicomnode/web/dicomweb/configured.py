"""The service as the configuration asks for it."""

from __future__ import annotations

from starlette.routing import BaseRoute

from dicomnode.receive.intake import Intake
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.web.dicomweb.service import routes, storing_by
from dicomnode.web.look import OnLook, log_look


def dicomweb_of(
    settings: NodeSettings,
    database: Database,
    intake: Intake | None = None,
    on_look: OnLook = log_look,
) -> tuple[BaseRoute, ...]:
    """Routes of DICOMweb; none where ``[web] dicomweb`` does not ask for them.

    Parameters
    ----------
    settings : NodeSettings
    database : Database
    intake : Intake, optional
        Takes objects in; without it nothing is taken.
    on_look : callable, optional
        Told of every look at a study.
    """
    web = settings.web
    if not web.dicomweb:
        return ()
    url = None if web.dicomweb_url is None else str(web.dicomweb_url)
    if intake is None:
        return routes(database, on_look, url=url)
    listen = settings.listen
    sizes = (listen.max_object_mb * 2**20, web.max_upload_mb * 2**20)
    return routes(database, on_look, storing=storing_by(intake, listen.ae_title, *sizes), url=url)
