"""What the configuration says to the receiver, in the receiver's own words."""

from __future__ import annotations

from dicomnode.receive.callers import CallerRule, Callers
from dicomnode.receive.pressure import Watermarks
from dicomnode.receive.scp import ReceiverSettings
from dicomnode.settings import NodeSettings


def callers_of(settings: NodeSettings) -> Callers:
    """Who may come in, and with which limits."""
    rules = [
        CallerRule(
            name=caller.name,
            ae_titles=caller.ae_titles,
            networks=caller.addresses,
            certificates=caller.certificates,
            tls=caller.tls,
            allow=caller.allow,
            max_associations=caller.max_associations,
            associations_per_minute=caller.associations_per_minute,
            max_pdu=caller.max_pdu,
            max_object_bytes=None if caller.max_object_mb is None else caller.max_object_mb * 2**20,
            bytes_per_s=None if caller.mb_per_s is None else caller.mb_per_s * 1e6,
        )
        for caller in settings.callers
    ]
    return Callers(rules, settings.listen.known_callers_only)


def watermarks_of(settings: NodeSettings) -> Watermarks:
    """Where less begins to be taken."""
    pressure = settings.pressure
    return Watermarks(
        marks_free_bytes=pressure.marks_only_mb * 2**20,
        nothing_free_bytes=settings.store.reserve_mb * 2**20,
        release_bytes=pressure.release_mb * 2**20,
        marks_backlog=pressure.marks_only_backlog,
        nothing_backlog=pressure.nothing_backlog,
    )


def receiver_settings_of(settings: NodeSettings) -> ReceiverSettings:
    """How the node listens."""
    listen, tls = settings.listen, settings.tls
    return ReceiverSettings(
        host=listen.host,
        port=listen.port,
        ae_title=listen.ae_title,
        more_ae_titles=listen.more_ae_titles,
        accepted_calling_aets=listen.calling_ae_titles,
        require_called_aet=listen.require_called_ae_title,
        max_associations=listen.max_associations,
        max_pdu=listen.max_pdu,
        network_timeout_s=listen.network_timeout_s,
        max_object_bytes=listen.max_object_mb * 2**20,
        tls_port=tls.port,
        plain=not tls.only,
        handshake_timeout_s=tls.handshake_timeout_s,
    )
