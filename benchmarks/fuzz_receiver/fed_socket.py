"""A socket that gives the receiver bytes from memory, and keeps what it answers."""

from __future__ import annotations


class FedSocket:
    """What an accepted connection is to the receiver; the peer has closed after `content`.

    Parameters
    ----------
    content : bytes
        All that the peer sends.
    """

    def __init__(self, content: bytes) -> None:
        self.feed(content)

    def feed(self, content: bytes) -> None:
        """Begin anew, with other bytes."""
        self._content = memoryview(content)
        self._at = 0
        self.answers = bytearray()

    def recv_into(self, buffer: memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """Give the next bytes; 0 at the end."""
        count = min(nbytes or len(buffer), len(self._content) - self._at)
        buffer[:count] = self._content[self._at : self._at + count]
        self._at += count
        return count

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Give the next bytes; none at the end."""
        count = min(size, len(self._content) - self._at)
        self._at += count
        return bytes(self._content[self._at - count : self._at])

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """Keep an answer."""
        self.answers += data

    def send(self, data: bytes, flags: int = 0) -> int:
        """Keep an answer."""
        self.answers += data
        return len(data)

    def setsockopt(self, *_: object) -> None:
        """Take any option."""

    def settimeout(self, _: float | None) -> None:
        """Take any time-out: there is nothing to wait for."""

    def shutdown(self, _: int) -> None:
        """Do nothing: the peer is gone."""

    def close(self) -> None:
        """Do nothing."""
