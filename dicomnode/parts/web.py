"""The web part: answers by HTTP."""

from __future__ import annotations

from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.registry import metrics_of
from dicomnode.settings import NodeSettings
from dicomnode.web.application import application
from dicomnode.web.service import WebService


def web_service(settings: NodeSettings, vitals: Vitals, health: Health) -> WebService | None:
    """Health, metrics and pages; None where `[web]` has no port."""
    if settings.web.port is None:
        return None
    names = [destination.name for destination in settings.destinations]
    served = application(health, metrics_of(vitals, health, names))
    return WebService(settings.web.host, settings.web.port, served)
