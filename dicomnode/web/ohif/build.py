"""Files of a build of OHIF, with the configuration of the node in place of its own."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from dicomnode.web.ohif.configuration import app_config

_INLINE = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_HASHED = re.compile(r"[0-9a-f]{16,}")
_TYPES = {".wasm": "application/wasm", ".js": "text/javascript", ".mjs": "text/javascript"}

_REPLACED = {
    # It would fetch its own cache's program from another machine, and keep pages after a sign-out.
    "init-service-worker.js": "",
}
_WITHHELD = frozenset({"sw.js", "google.js", "_headers", "_redirects", "serve.json"})
"""Not of use here, or only for services elsewhere."""


class NotOhif(ValueError):
    """A folder that holds no build of OHIF."""


class OhifBuild:
    """One build, such as the folder ``dist`` of the npm package ``@ohif/app``.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    NotOhif
        It is not there, or holds something else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        try:
            self._index = (self._folder / "index.html").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise NotOhif(
                f"{folder}: found no index.html, expected a build of OHIF (the folder dist of the "
                "npm package @ohif/app, or what `yarn build` left there)"
            ) from None
        if "app-config.js" not in self._index:
            raise NotOhif(f"{folder}: its index.html asks for no app-config.js, as that of OHIF 3")
        self._replaced = _REPLACED | {"app-config.js": app_config()}
        self._policy = _policy(self._index)

    def routes(self) -> tuple[BaseRoute, ...]:
        """Routes to its files, and to its pages for whoever may look at studies; to come last."""

        @requires("viewer")
        def page(request: Request) -> Response:
            return Response(
                self._index,
                media_type="text/html; charset=utf-8",
                headers={"Content-Security-Policy": self._policy, "Cache-Control": "no-store"},
            )

        def file(request: Request) -> Response:
            path = request.path_params["path"]
            if "." not in path.rsplit("/", 1)[-1]:
                return page(request)  # pages are routes within the one page
            return self._file(path)

        return Route("/", page), Route("/index.html", page), Route("/{path:path}", file)

    def _file(self, path: str) -> Response:
        if path in self._replaced:
            headers = {"Cache-Control": "no-cache"}
            return Response(self._replaced[path], media_type="text/javascript", headers=headers)
        try:
            file = (self._folder / path).resolve()
            found = file.is_file() and file.is_relative_to(self._folder)
        except (OSError, ValueError):
            found = False
        if not found or path in _WITHHELD:
            return PlainTextResponse("no such file\n", 404)
        # A name with a digest of its content never holds another; workers go by their own policy.
        kept = "private, max-age=31536000, immutable" if _HASHED.search(file.name) else "no-cache"
        headers = {"Cache-Control": kept, "Content-Security-Policy": self._policy}
        return FileResponse(file, media_type=_TYPES.get(file.suffix), headers=headers)


def _policy(index: str) -> str:
    """Content-Security-Policy for OHIF: what it needs, and nothing from elsewhere.

    Its codecs and VTK's shaders are compiled in the browser (WebAssembly and ``Function``), its
    workers begin as blobs, and its styles are written by scripts. Scripts in the page itself run
    by their digests.
    """
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE.findall(index)
    ]
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", "'unsafe-eval'", "blob:"])
    inline = "".join(f" 'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'self'; script-src {scripts}{inline}; worker-src 'self' blob:; "
        "connect-src 'self' blob: data:; img-src 'self' blob: data:; "
        "style-src 'self' 'unsafe-inline'; font-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
