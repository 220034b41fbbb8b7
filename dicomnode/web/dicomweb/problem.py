"""A request that is not answered as it asks, and what its sender is told."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import PlainTextResponse

_MOST_QUOTED = 80

ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Headers of every answer: patients' data are kept by no cache."""


class Problem(Exception):
    """An answer that is no success.

    Parameters
    ----------
    status : int
        HTTP, 400 or more.
    text : str
        What was found, and what was expected.
    headers : mapping, optional
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})

    def response(self) -> PlainTextResponse:
        """The answer."""
        return PlainTextResponse(self.text + "\n", self.status, headers=ALWAYS | self.headers)


def quoted(text: str) -> str:
    """A part of a request, short and in one line, for the text of a problem."""
    shown = repr(text[:_MOST_QUOTED])
    return shown if len(text) <= _MOST_QUOTED else f"{shown} ..."


def not_found(what: str) -> Problem:
    """404 of something that is not here, or not any more."""
    return Problem(404, f"{what} is not here")
