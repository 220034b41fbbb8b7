"""Write messages of several parts (RFC 2046 5.1, PS3.18 8.6.1.2)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes
    ----------
    media_type : str
        With its parameters.
    pieces : iterable of bytes
        The content; asked for when its turn has come.
    location : str
        Address, or "".
    """

    media_type: str
    pieces: Iterable[bytes]
    location: str = ""


def related(media: str, boundary: str) -> str:
    """Content-Type of the message; `media` is that of its parts."""
    return f'multipart/related; type="{media}"; boundary={boundary}'


def new_boundary() -> str:
    """One that no content holds."""
    return secrets.token_hex(16)


def message(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """The message, piece by piece."""
    for part in parts:
        location = f"Content-Location: {part.location}\r\n" if part.location else ""
        yield f"--{boundary}\r\nContent-Type: {part.media_type}\r\n{location}\r\n".encode("ascii")
        yield from part.pieces
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode("ascii")
