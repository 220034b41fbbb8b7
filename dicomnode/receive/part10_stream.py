"""A Part 10 file that comes in pieces: what it says of itself, then its data set."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

from dicomnode.receive.encoded import broken, meta_values

_MOST_META = 2**16
_BEGIN = b"DICM\x02\x00\x00\x00UL\x04\x00"


def split_head(pieces: Iterable[bytes]) -> tuple[Mapping[int, bytes], Iterator[bytes]]:
    """Split a Part 10 file (PS3.10 7.1) into its meta information and its data set.

    Parameters
    ----------
    pieces : iterable of bytes
        The file, cut anywhere; read as far as its meta information goes.

    Returns
    -------
    meta : mapping
        Values by tag.
    data_set : iterator of bytes
        What follows, in pieces.

    Raises
    ------
    InvalidInstance
        It is no Part 10 file, or ends within its meta information.
    """
    pieces = iter(pieces)
    held = b""
    end = 144
    for piece in pieces:
        held += piece
        if len(held) >= 144 and end == 144:
            if held[128:140] != _BEGIN:
                raise broken("not a DICOM file (PS3.10 7.1)")
            end += struct.unpack("<L", held[140:144])[0]
            if end > _MOST_META:
                raise broken(f"file meta information of {end} bytes")
        if end > 144 and len(held) >= end:
            break
    else:
        raise broken("it ends within its file meta information")
    meta = meta_values(held[132:end])
    rest = held[end:]

    def data_set() -> Iterator[bytes]:
        yield rest
        yield from pieces

    return meta, data_set()


def uid_in(meta: Mapping[int, bytes], tag: int) -> str:
    """A UID of the meta information, or ""; one with a wrong character is not one."""
    return meta.get(tag, b"").rstrip(b"\0 ").decode("ascii", "replace")
