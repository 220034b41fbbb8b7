"""One line of the journal: a message, its number, and the hash that chains it to the one before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
"""What the first record names as the hash before it."""

_HASH = b',"hash":"'
_END = b'"}'


class BadRecord(ValueError):
    """A line that is no record, or was changed; the text says what was found."""


@dataclass(frozen=True)
class Forgotten:
    """Records that were let go, as `[audit] keep_days` says.

    Attributes
    ----------
    file : str
        The name of the file that held them.
    first, last : int
        Their numbers.
    hash : str
        Of the last one: the record after it names the same.
    """

    file: str
    first: int
    last: int
    hash: str


@dataclass(frozen=True)
class Record:
    """What stands in a line.

    Attributes
    ----------
    number : int
        From 1, without a gap.
    at : float
        When it happened, in seconds since 1970.
    previous : str
        Hash of the record before.
    xml : str
        The audit message.
    hash : str
        SHA-256, in hexadecimal digits, of the line up to the comma before ``"hash"``.
    forgotten : Forgotten, optional
        The records before it that this one says were let go.
    """

    number: int
    at: float
    previous: str
    xml: str
    hash: str
    forgotten: Forgotten | None = None


def encode(
    number: int, at: float, previous: str, xml: str, forgotten: Forgotten | None = None
) -> tuple[bytes, str]:
    """Write a line; give it, with its end, and its hash.

    The hash is of bytes and not of values, so that anybody can compute it with ``sha256sum``.
    """
    values: dict[str, Any] = {"number": number, "at": at, "previous": previous, "xml": xml}
    if forgotten is not None:
        values["forgotten"] = vars(forgotten)
    text = json.dumps(values, separators=(",", ":")).encode()[:-1]
    digest = hashlib.sha256(text).hexdigest()
    return text + _HASH + digest.encode() + _END + b"\n", digest


def decode(line: bytes) -> Record:
    """Read a line, with its end or without, and compute its hash again.

    Raises
    ------
    BadRecord
    """
    text, separator, rest = line.rstrip(b"\n").rpartition(_HASH)
    if not separator or not rest.endswith(_END):
        raise BadRecord("it is no record, or not a whole one")
    digest = rest[: -len(_END)].decode("ascii", "replace")
    if hashlib.sha256(text).hexdigest() != digest:
        raise BadRecord("its content does not have the hash that it names")
    try:
        values = json.loads(text + b"}")
        forgotten = values.pop("forgotten", None)
        return Record(
            **values, hash=digest, forgotten=None if forgotten is None else Forgotten(**forgotten)
        )
    except (ValueError, TypeError) as error:
        raise BadRecord(f"it is no record ({type(error).__name__})") from None
