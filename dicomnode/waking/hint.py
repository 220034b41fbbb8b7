"""What one part tells another: what may be new, and never what is true."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

AT_ONCE = 300
"""UIDs in one datagram: some 20 KB of them, a tenth of what a socket takes."""


@dataclass(frozen=True)
class Hint:
    """What was stored or reported since the last one.

    Attributes
    ----------
    uids : tuple of str
        Of instances, series, frames of reference and concatenations of which something came.
    arrived : tuple of (str, int, int)
        Series Instance UID, instances and bytes that came of it.
    reports : tuple of (str, str)
        Destination and Transaction UID of reports on storage commitment that were written down.
    everything : bool
        Whether more may be new than is named.
    """

    uids: tuple[str, ...] = ()
    arrived: tuple[tuple[str, int, int], ...] = ()
    reports: tuple[tuple[str, str], ...] = ()
    everything: bool = False

    def encoded(self) -> Iterator[bytes]:
        """As datagrams; most hints are one."""
        longest = max(len(self.uids), len(self.arrived), len(self.reports), 1)
        for start in range(0, longest, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            said = {
                "uids": self.uids[part],
                "arrived": self.arrived[part],
                "reports": self.reports[part],
                "everything": self.everything and start == 0,
            }
            yield json.dumps({key: value for key, value in said.items() if value}).encode()

    @classmethod
    def decoded(cls, datagram: bytes) -> Hint:
        """Read one datagram.

        Raises
        ------
        ValueError
            If it is none of ours.
        """
        try:
            said = json.loads(datagram)
            return cls(
                uids=tuple(_text(uid) for uid in said.get("uids", ())),
                arrived=tuple((_text(u), int(n), int(b)) for u, n, b in said.get("arrived", ())),
                reports=tuple((_text(d), _text(t)) for d, t in said.get("reports", ())),
                everything=said.get("everything", False) is True,
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"found no hint ({type(error).__name__})") from None


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError("found something else than text")
    return found


def joined(hints: Sequence[Hint]) -> Hint:
    """Several as one."""
    counts: dict[str, list[int]] = {}
    for hint in hints:
        for series, instances, size in hint.arrived:
            count = counts.setdefault(series, [0, 0])
            count[0] += instances
            count[1] += size
    return Hint(
        uids=tuple(dict.fromkeys(uid for hint in hints for uid in hint.uids)),
        arrived=tuple((series, *count) for series, count in counts.items()),
        reports=tuple(report for hint in hints for report in hint.reports),
        everything=any(hint.everything for hint in hints),
    )
