"""The web part: answers by HTTP."""

from __future__ import annotations

from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.registry import metrics_of
from dicomnode.settings import NodeSettings
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile, tokens_path
from dicomnode.web.application import application
from dicomnode.web.service import WebService


def web_service(settings: NodeSettings, vitals: Vitals, health: Health) -> WebService | None:
    """Health, metrics and pages; None where `[web]` has no port."""
    if not settings.web.served:
        return None
    names = [destination.name for destination in settings.destinations]
    access = Access(settings.web, TokenFile(tokens_path(settings.web, settings.store.path)))
    served = application(health, metrics_of(vitals, health, names), access)
    return WebService(settings.web, served)
