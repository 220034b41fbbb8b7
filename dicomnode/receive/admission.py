"""Who is let in: titles, callers, room and count; and who is connected."""

from __future__ import annotations

import ssl
import threading
from collections import OrderedDict

from dicomnode.receive.callers import Admitted, Callers, TurnedAway
from dicomnode.receive.negotiation import AssociateRequest
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.session import Session
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.receive.upper_layer import (
    CALLED_AE_NOT_RECOGNISED,
    CALLING_AE_NOT_RECOGNISED,
    LOCAL_LIMIT_EXCEEDED,
    TEMPORARY_CONGESTION,
)
from dicomnode.tls.shown import shown_by

# Connections that have not asked for an association yet: health checks, port scans, silence.
_MAX_UNASSOCIATED = 128


class Admission:
    """Knows every connection, and lets associations in. Safe to use from several threads.

    Parameters
    ----------
    settings : ReceiverSettings
    callers : Callers
    pressure : Pressure, optional
    """

    def __init__(
        self, settings: ReceiverSettings, callers: Callers, pressure: Pressure | None
    ) -> None:
        self._settings = settings
        self._callers = callers
        self._pressure = pressure
        self._lock = threading.Lock()
        self._unassociated: OrderedDict[Session, None] = OrderedDict()
        self._associated: set[Session] = set()

    @property
    def associations(self) -> int:
        """Associations open now."""
        with self._lock:
            return len(self._associated)

    @property
    def sessions(self) -> list[Session]:
        """All that are connected now."""
        with self._lock:
            return [*self._unassociated, *self._associated]

    def connected(self, session: Session) -> None:
        """Somebody has connected, and has not asked for an association yet."""
        with self._lock:
            self._unassociated[session] = None
            if len(self._unassociated) > _MAX_UNASSOCIATED:
                # The one that has been silent longest gives way, so that silence never locks
                # anybody out.
                oldest, _ = self._unassociated.popitem(last=False)
                oldest.end()

    def admit(self, session: Session, request: AssociateRequest, address: str) -> Admitted:
        """Check titles, caller, room and count (PS3.8 9.3.4); an admitted session is counted.

        Raises
        ------
        TurnedAway
        """
        settings = self._settings
        titles = {title.strip() for title in (settings.ae_title, *settings.more_ae_titles)}
        if settings.require_called_aet and request.called_ae_title not in titles:
            raise TurnedAway(CALLED_AE_NOT_RECOGNISED, "called-ae")
        calling = request.calling_ae_title
        accepted = settings.accepted_calling_aets
        if accepted and calling not in {a.strip() for a in accepted}:
            raise TurnedAway(CALLING_AE_NOT_RECOGNISED, "calling-ae")
        secured = isinstance(session.socket, ssl.SSLSocket)
        certificate = shown_by(session.socket) if secured else None
        admitted = self._callers.admit(calling, address, certificate, secured)
        proposed = request.proposal.abstract_syntaxes
        if self._pressure is not None and self._pressure.turns_away(proposed):
            admitted.leave()
            raise TurnedAway(TEMPORARY_CONGESTION, "room")
        with self._lock:
            if len(self._associated) >= settings.max_associations:
                admitted.leave()
                raise TurnedAway(LOCAL_LIMIT_EXCEEDED, "associations")
            session.admitted = admitted
            self._unassociated.pop(session, None)
            self._associated.add(session)
        return admitted

    def forget(self, session: Session) -> None:
        """A session has ended, or counts no longer. Safe to repeat."""
        with self._lock:
            self._unassociated.pop(session, None)
            self._associated.discard(session)
            if session.admitted is not None:
                session.admitted.leave()
