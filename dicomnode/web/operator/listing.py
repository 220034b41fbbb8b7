"""What a list is asked for: page, order, filters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

_SIZE = 50
_MOST = 500
_LAST = 100_000


@dataclass(frozen=True)
class Listing:
    """One view on a list.

    Attributes
    ----------
    page : int
        From 1.
    size : int
        Rows of a page.
    sort : str
        Which column.
    descending : bool
    filters : mapping of str to str
        Empty ones are left out.
    """

    page: int
    size: int
    sort: str
    descending: bool
    filters: Mapping[str, str]

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * self.size

    def query(self, **changes: Any) -> str:
        """The query string of this view with changes, as a link begins with it."""
        order = "-" if changes.pop("descending", self.descending) else ""
        sort = changes.pop("sort", self.sort)
        asked = {"sort": order + sort, "page": self.page, "size": self.size} | changes
        asked = {k: v for k, v in asked.items() if (k, v) not in (("page", 1), ("size", _SIZE))}
        return "?" + urlencode({**self.filters, **asked})

    def sorted_by(self, column: str) -> str:
        """The link of a column's heading: by it, or the other way round where it is so already."""
        return self.query(
            page=1, sort=column, descending=self.sort != column or not self.descending
        )

    def aria_sort(self, column: str) -> str:
        """How the column is sorted, in ARIA's words."""
        if self.sort != column:
            return "none"
        return "descending" if self.descending else "ascending"


def read_listing(
    asked: Mapping[str, str],
    sorts: Collection[str],
    default: str,
    filters: Mapping[str, Collection[str] | None],
) -> Listing:
    """Read a query string.

    Parameters
    ----------
    asked : mapping of str to str
    sorts : collection of str
        Columns that can be sorted by.
    default : str
        The column, with ``-`` before it for the highest first.
    filters : mapping of str to collection of str or None
        Names, and the values that they take; None for any text.

    Raises
    ------
    HTTPException
        400, for what the list does not know.
    """
    unknown = sorted({*asked} - {"page", "size", "sort", *filters})
    if unknown:
        raise HTTPException(400, f"{unknown[0]!r} is no parameter of this list")
    given = asked.get("sort") or default
    sort = given.removeprefix("-")
    if sort not in sorts:
        raise HTTPException(400, f"found sort {sort!r}, expected one of {', '.join(sorts)}")
    found = {}
    for name, values in filters.items():
        value = asked.get(name, "").strip()
        if not value:
            continue
        if values is not None and value not in values:
            raise HTTPException(400, f"found {name} {value!r}, expected one of {', '.join(values)}")
        if len(value) > 200 or not value.isprintable():
            raise HTTPException(400, f"{name} is longer than 200 characters, or is no text")
        found[name] = value
    return Listing(
        _number(asked, "page", 1, _LAST),
        _number(asked, "size", _SIZE, _MOST),
        sort,
        given.startswith("-"),
        found,
    )


def _number(asked: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = asked.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise HTTPException(400, f"found {name} {text!r}, expected a number from 1 to {most}")
    return int(text)
