"""The receiver's certificate, which can be replaced while associations are open."""

from __future__ import annotations

import logging
import ssl
import time

from dicomnode.tls.contexts import TLSFilesError, server_context
from dicomnode.tls.own_certificate import NotTaken, read_own
from dicomnode.tls.revoked import lists_end
from dicomnode.tls.settings import TLSSettings

logger = logging.getLogger(__name__)


class ServerTLS:
    """Holds the context that new connections get.

    Parameters
    ----------
    settings : TLSSettings

    Raises
    ------
    TLSFilesError
    """

    def __init__(self, settings: TLSSettings) -> None:
        self._settings = settings
        self._context, self._end = _read(settings)

    @property
    def certificate_end(self) -> float:
        """When the certificate ends, in seconds since 1970; 0 where no peer can take it."""
        return self._end

    @property
    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        return self._context

    def reload(self) -> bool:
        """Read the files again. Open connections go on with what they were opened with.

        Returns
        -------
        bool
            False where a file cannot be used: what was read before stays.
        """
        try:
            self._context, self._end = _read(self._settings)
        except TLSFilesError as error:
            logger.error("tls.kept reason=%s", error)
            return False
        logger.info("tls.reloaded")
        return True


def _read(settings: TLSSettings) -> tuple[ssl.SSLContext, float]:
    context = server_context(settings)
    list_end = lists_end(settings)
    if list_end is not None and list_end < time.time():
        logger.error("tls.outdated file=%s", settings.crl_file)
    try:
        return context, read_own(settings).not_after
    except NotTaken:
        return context, 0.0
