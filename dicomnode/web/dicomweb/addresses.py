"""Where things are, as the client that asks reaches the node."""

from __future__ import annotations

import re

from starlette.requests import Request

from dicomnode.web.dicomweb.problem import Problem

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,253})(:\d{1,5})?")


class Addresses:
    """Addresses of the service.

    Parameters
    ----------
    path : str
        Where it is below its host, such as "/dicom-web".
    url : str, optional
        How clients reach it; as they say themselves in ``Host``, by default.
    """

    def __init__(self, path: str, url: str | None = None) -> None:
        self.path = path
        self._url = None if url is None else url.rstrip("/")

    def service(self, request: Request) -> str:
        """The service.

        Raises
        ------
        Problem
            400 where the client names no host that could be one.
        """
        if self._url is not None:
            return self._url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise Problem(400, "Host is none by RFC 9110 7.2")
        scheme = "https" if request.url.scheme == "https" else "http"
        return f"{scheme}://{host}{self.path}"

    def of(self, request: Request, *uids: str) -> str:
        """A study, a series in it, or an instance in that."""
        levels = ("studies", "series", "instances")
        parts = (f"/{level}/{uid}" for level, uid in zip(levels, uids, strict=False))
        return self.service(request) + "".join(parts)
