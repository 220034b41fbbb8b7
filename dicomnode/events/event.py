"""One kind of event of the log."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(r"[a-z]+\.[a-z_]+")


@dataclass(frozen=True)
class Event:
    """What is known of an event before it happens.

    Attributes
    ----------
    name : str
        Its stable id, such as "lesion.ready".
    levels : str
        Names of levels that it is logged at, with blanks between.
    when : str
        What has happened.
    fields : str
        Names of what it is told with, with blanks between; not every line holds all of them.
    mend : str
        What an administrator is to do; empty where nothing is.

    Raises
    ------
    ValueError
        If the name is none, or nothing says when.
    """

    name: str
    levels: str
    when: str
    fields: str = ""
    mend: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"found the event {self.name!r}, expected such as 'lesion.ready'")
        if not self.when or not self.levels:
            raise ValueError(f"event {self.name!r}: found no level or no word on when it is logged")
