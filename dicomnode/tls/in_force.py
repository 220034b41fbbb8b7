"""The receiver's certificate, which can be replaced while associations are open."""

from __future__ import annotations

import logging
import ssl

from dicomnode.tls.contexts import TLSFilesError, server_context
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
        self._context = server_context(settings)

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
            self._context = server_context(self._settings)
        except TLSFilesError as error:
            logger.error("tls.kept reason=%s", error)
            return False
        logger.info("tls.reloaded")
        return True
