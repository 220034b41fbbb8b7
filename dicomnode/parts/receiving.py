"""The receiving part: takes what peers send, and tells them what is kept."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from dicomnode.audit import Alert, SecurityAlert
from dicomnode.commit.provider import CommitmentProvider
from dicomnode.deliver.commitment_reports import CommitmentReports
from dicomnode.health.vitals import ReceiverVitals
from dicomnode.parts.ground import Ground
from dicomnode.parts.receiver_settings import callers_of, receiver_settings_of
from dicomnode.receive.reconcile import Reconciler
from dicomnode.receive.scp import StorageSCP
from dicomnode.retention.purge import being_deleted
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance
from dicomnode.tls.in_force import ServerTLS


class Receiving:
    """Owns the folder of incoming files, the ports, and what is owed to peers that ask.

    Parameters
    ----------
    ground : Ground
    on_stored : callable
        Given each instance that was stored; must be quick.
    on_report : callable
        Given the destination and the Transaction UID of a report that a peer made.
    """

    def __init__(
        self,
        ground: Ground,
        on_stored: Callable[[ReceivedInstance], None],
        on_report: Callable[[str, str], None],
    ) -> None:
        settings = ground.settings
        self._ground = ground
        self._files = FileStore(settings.store.path, settings.store.reserve_mb * 2**20)
        self._reconciler = Reconciler(
            self._files, ground.index, on_stored, lambda: being_deleted(ground.database)
        )
        self._tls = None if settings.tls.port is None else ServerTLS(settings.tls)
        reports = CommitmentReports(ground.database, settings, on_report)
        self._provider = CommitmentProvider(
            ground.database, ground.scheduler, settings, reports.take
        )
        self.scp = StorageSCP(
            receiver_settings_of(settings),
            self._files,
            ground.index,
            on_stored,
            self._provider,
            self._tls,
            ground.pressure,
            callers_of(settings),
            ground.audit.trail,
        )

    @property
    def vitals(self) -> ReceiverVitals:
        """What may be looked at."""
        return ReceiverVitals(
            listening=lambda: self.scp.listening,
            associations=lambda: self.scp.associations,
            max_associations=self._ground.settings.listen.max_associations,
            pressure=self._ground.pressure,
            certificate_end=lambda: inf if self._tls is None else self._tls.certificate_end,
        )

    @property
    def threads(self) -> tuple[str, ...]:
        """Names of the threads that live as long as it does, beside those that listen."""
        return ("commitment-reports",)

    @property
    def status(self) -> str:
        """One clause for people."""
        listen = self._ground.settings.listen
        return (
            f"listens as {listen.ae_title} on {listen.host} port {self.scp.port}, "
            f"{self.scp.associations} of {listen.max_associations} associations"
        )

    def prepare(self) -> int:
        """Clear up what a former life left half written; give how many files went."""
        return self._files.sweep()

    def start(self) -> None:
        """Listen, and then compare files with the index. Raises OSError where that cannot be."""
        self._provider.start()
        self.scp.start()
        self._reconciler.start()

    def reload_certificates(self) -> bool:
        """Read certificate, key and authorities again; open associations go on."""
        if self._tls is None:
            return True
        taken = self._tls.reload()
        if taken:
            words = "certificates were read again"
            self._ground.audit.trail.note(SecurityAlert(Alert.SECURITY_CONFIGURATION, words))
        return taken

    def ask_to_stop(self) -> None:
        """Report to no peer any more, without waiting."""
        self._provider.ask_to_stop()

    def stop(self) -> None:
        """Let requests that are being received end. Safe to repeat."""
        self.ask_to_stop()
        self._reconciler.stop()
        self.scp.stop()
        self._provider.stop()
