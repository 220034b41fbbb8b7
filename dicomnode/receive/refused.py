"""An object that is not kept, and what its sender is told."""

from __future__ import annotations


class Refused(Exception):
    """An instance that is not kept.

    Attributes
    ----------
    status : int
        What a C-STORE of it is answered with (PS3.7 Annex C or PS3.4 B.2.3).
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
