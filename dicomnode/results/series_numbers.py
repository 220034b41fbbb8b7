"""Series numbers that follow from the series, and stay within a range."""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class SeriesNumbers:
    """Range of series numbers of results.

    Attributes
    ----------
    first, count : int
        The place of a series in the range follows from its UID.
    """

    first: int = 7300
    count: int = 100

    def __post_init__(self) -> None:
        if self.first < 1 or self.count < 1:
            raise ValueError(
                f"found series numbers from {self.first}, {self.count} of them, "
                "expected at least 1 and 1"
            )

    def number_of(self, series_instance_uid: str) -> int:
        """The number of a series: always the same for the same UID."""
        return self.first + zlib.crc32(series_instance_uid.encode()) % self.count
