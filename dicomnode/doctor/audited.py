"""The audit trail: can it be written, is it whole, and does the collector take it?"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from dicomnode.audit.files import segments
from dicomnode.audit.sender import unsent
from dicomnode.audit.syslog import Connection, NotTaken
from dicomnode.audit.verify import verify
from dicomnode.credentials import CREDENTIALS
from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.open_sockets import OpenSockets
from dicomnode.settings import CollectorSettings, NodeSettings
from dicomnode.tls.settings import TLSIdentity

_MB = 2**20


def look_at_audit(settings: NodeSettings, ask_peers: bool) -> Iterator[Finding]:
    """Look without writing.

    Parameters
    ----------
    settings : NodeSettings
    ask_peers : bool
        Whether the collector is called.
    """
    audit, folder = settings.audit, settings.store.audit
    if not audit.enabled:
        yield warned(
            "audit trail",
            "there is none: [audit] enabled = false",
            "Unless something else keeps one, let the node write it.",
        )
        return
    if not folder.is_dir():
        yield warned("audit trail", "there is none yet", "The first start of the node makes it.")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield failed(
            "audit trail",
            f"{folder} cannot be written to by this user",
            "Run this as the user that the node runs as; if it is, give the folder to it.",
        )
        return
    try:
        yield _chain(settings)
        if audit.collector is not None:
            yield from _sent(settings)
    except OSError as error:
        yield failed(
            "audit trail",
            f"it cannot be read ({error.strerror})",
            "Run this as the user that the node runs as, and look at the disk.",
        )
        return
    if audit.collector is not None and ask_peers:
        yield _collector(audit.collector)


def _chain(settings: NodeSettings) -> Finding:
    folder = settings.store.audit
    found = verify(folder, only_last=True)
    size = sum(path.stat().st_size for path in segments(folder))
    if not found.whole:
        return failed(
            "audit trail",
            f"its last file is not as it was written: {found.breaks[0].words}",
            "`dicomnode audit verify` says all. Keep a copy of the folder, and find out who had "
            "access; the collector has what was sent.",
        )
    return passed(
        "audit trail",
        f"the chain of its last file is whole, {found.last} records, {size / _MB:.1f} MB in all",
    )


def _sent(settings: NodeSettings) -> Iterator[Finding]:
    number, oldest = unsent(settings.store.audit)
    late_s = 0.0 if oldest is None else time.time() - oldest
    if late_s > settings.audit.late_minutes * 60:
        yield warned(
            "audit messages",
            f"{number} wait for the collector, the oldest for {late_s / 3600:.1f} h",
            "See the collector below; they are kept, and sent once it takes them.",
        )


def _collector(collector: CollectorSettings) -> Finding:
    check = f"audit collector {collector.host}:{collector.port}"
    if collector.transport == "udp":
        return passed(check, "by UDP, of which nothing can be known")
    files = (getattr(collector.tls, name, None) for name in TLSIdentity.model_fields)
    if CREDENTIALS not in os.environ and any(file and not file.is_absolute() for file in files):
        return warned(
            check,
            "its files are credentials of systemd, which the unit alone can read",
            "See in the journal whether there is audit.unsent.",
        )
    try:
        connection = Connection(collector, OpenSockets())
    except NotTaken as error:
        return failed(
            check,
            f"it cannot be reached: {error}",
            "Start it, or correct [audit.collector]: host, port, and whose certificates are "
            "trusted.",
        )
    try:
        # With TLS 1.3 it says only after the handshake that it does not take a certificate.
        time.sleep(0.2)
        connection.check()
    except NotTaken as error:
        return failed(
            check, f"it closes the connection: {error}", "Does it know the node's certificate?"
        )
    finally:
        connection.close()
    secured = "with TLS" if collector.transport == "tls" else "without TLS"
    return passed(check, f"takes connections {secured}")
