"""The one part of a multipart message (RFC 2046 5.1.1), as WADO-RS sends an instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

_MOST_HEADERS = 65536


class NotMultipart(ValueError):
    """Bytes that are no multipart message with one part."""


def boundary_of(content_type: str) -> bytes | None:
    """Boundary that a Content-Type header names; None where it is not multipart.

    Raises
    ------
    NotMultipart
        It is multipart, without a boundary of RFC 2046.
    """
    message = Message()
    message["Content-Type"] = content_type
    if message.get_content_maintype() != "multipart":
        return None
    boundary = message.get_boundary()
    if not boundary or len(boundary) > 70 or not boundary.isascii():
        raise NotMultipart("a multipart message without a boundary of RFC 2046")
    return boundary.encode("ascii")


def only_part(chunks: Iterable[bytes], boundary: bytes) -> Iterator[bytes]:
    """Yield the content of a message's first part in pieces, and see that it ends.

    Parameters
    ----------
    chunks : iterable of bytes
        The message, cut anywhere.
    boundary : bytes

    Raises
    ------
    NotMultipart
        The message has no part, or ends within it.
    """
    chunks = iter(chunks)
    delimiter = b"\r\n--" + boundary
    # The first delimiter may stand at the very start.
    held, content = b"\r\n", False
    for chunk in chunks:
        held += chunk
        if not content:
            start = held.find(delimiter)
            end = held.find(b"\r\n\r\n", start) if start >= 0 else -1
            if end < 0:
                if len(held) > _MOST_HEADERS:
                    raise NotMultipart("no part begins in the message")
                continue
            held, content = held[end + 4 :], True
        at = held.find(delimiter)
        if at >= 0:
            yield held[:at]
            # Read to the end, so that the connection can serve the next request.
            for _ in chunks:
                pass
            return
        # What may be the start of a delimiter waits for the next chunk.
        keep = len(delimiter) - 1
        if len(held) > keep:
            yield held[:-keep]
            held = held[-keep:]
    raise NotMultipart("the message ends within its part" if content else "a message without parts")
