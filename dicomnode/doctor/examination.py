"""The whole examination, in the order in which things need each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dicomnode.doctor.audited import look_at_audit
from dicomnode.doctor.configuration import look_at_configuration
from dicomnode.doctor.finding import Finding
from dicomnode.doctor.left_alone import look_at_alerts, look_at_rules_in_force
from dicomnode.doctor.machine import look_at_clock, look_at_disk, look_at_ports
from dicomnode.doctor.parts import look_at_parts, parts_of
from dicomnode.doctor.peers import look_at_peers
from dicomnode.doctor.programs import look_at_networks, look_at_versions
from dicomnode.doctor.secured import look_at_tls
from dicomnode.doctor.state import look_at_state
from dicomnode.doctor.web import look_at_web
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import Role


def examine_node(settings: NodeSettings, path: Path, ask_peers: bool) -> Iterator[Finding]:
    """Look at everything, whether the node runs or not.

    Parameters
    ----------
    settings : NodeSettings
    path : Path
        The file that they were read from.
    ask_peers : bool
        Whether destinations and sources are called.
    """
    yield from look_at_versions()
    yield from look_at_configuration(settings, path)
    parts = parts_of(settings)
    running = {part.role for part in parts if part.runs}
    yield from look_at_parts(settings, parts)
    if Role.WORKER in running:
        yield from look_at_rules_in_force(settings)
    yield from look_at_alerts(settings)
    yield from look_at_tls(settings)
    yield from look_at_web(settings)
    yield from look_at_ports(settings, running)
    yield from look_at_disk(settings)
    state = look_at_state(settings)
    yield from state.findings
    yield from look_at_audit(settings, ask_peers)
    yield from look_at_clock(state.newest_row)
    yield from look_at_networks(settings)
    if ask_peers:
        yield from look_at_peers(settings)
