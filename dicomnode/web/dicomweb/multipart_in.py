"""Read messages of several parts as they come (RFC 2046 5.1.1), whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

_MOST_HEADERS = 16384
_MOST_PREAMBLE = 65536


class NotMultipart(ValueError):
    """Bytes that are no message of several parts, or end within one."""


class Parts:
    """The parts of a message, one after the other; memory does not grow with them.

    Parameters
    ----------
    chunks : iterable of bytes
        The message, cut anywhere.
    boundary : str
        By its Content-Type.

    Raises
    ------
    NotMultipart
        The boundary is none.
    """

    def __init__(self, chunks: Iterable[bytes], boundary: str) -> None:
        if not 0 < len(boundary) <= 70 or not boundary.isascii():
            raise NotMultipart("its boundary is none by RFC 2046 5.1.1")
        self._chunks = iter(chunks)
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first delimiter may stand at the very start.
        self._held = b"\r\n"
        self._within = False

    def __iter__(self) -> Iterator[tuple[Mapping[str, str], Iterator[bytes]]]:
        """Yield headers, names in lower case, and content of each part.

        What was not read of a part is passed over when the next one is asked for.

        Raises
        ------
        NotMultipart
        """
        self._pass_preamble()
        while self._begins_part():
            headers = self._headers()
            self._within = True
            content = self._content()
            yield headers, content
            for _ in content:
                pass

    def _pass_preamble(self) -> None:
        passed = 0
        while (at := self._held.find(self._delimiter)) < 0:
            keep = len(self._delimiter) - 1
            passed += max(0, len(self._held) - keep)
            if passed > _MOST_PREAMBLE:
                raise NotMultipart("no part begins in it")
            self._held = self._held[-keep:]
            self._more("it has no parts")
        self._held = self._held[at + len(self._delimiter) :]

    def _begins_part(self) -> bool:
        """Read what follows a delimiter: the end of the message, or of the line."""
        while True:
            if self._held.startswith(b"--"):
                for _ in self._chunks:  # an epilogue says nothing
                    pass
                return False
            line = self._held.find(b"\r\n")
            if line >= 0:
                if self._held[:line].strip(b" \t"):
                    raise NotMultipart("its boundary is followed by something else")
                # Kept, so that a part without headers has an empty line to end them.
                return True
            if len(self._held) > 256:
                raise NotMultipart("its boundary is followed by something else")
            self._more("it ends at a boundary")

    def _headers(self) -> Mapping[str, str]:
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > _MOST_HEADERS:
                raise NotMultipart("the headers of a part do not end")
            self._more("it ends within the headers of a part")
        lines, self._held = self._held[:end], self._held[end + 4 :]
        headers = {}
        for line in lines.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip().lower()] = value.strip()
        # The delimiter's line end may be needed: content can be empty.
        self._held = b"\r\n" + self._held
        return headers

    def _content(self) -> Iterator[bytes]:
        skip = 2  # the line end that was put back
        while self._within:
            at = self._held.find(self._delimiter)
            if at >= 0:
                content, self._held = self._held[:at], self._held[at + len(self._delimiter) :]
                self._within = False
            else:
                # What may be the start of a delimiter waits for the next chunk.
                cut = max(0, len(self._held) - len(self._delimiter) + 1)
                content, self._held = self._held[:cut], self._held[cut:]
            dropped = min(skip, len(content))
            skip -= dropped
            if len(content) > dropped:
                yield content[dropped:]
            if self._within:
                self._more("it ends within a part")

    def _more(self, otherwise: str) -> None:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise NotMultipart(otherwise)
        self._held += chunk
