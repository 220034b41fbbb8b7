"""Numbers of rows in addresses: only such as a row can have."""

from __future__ import annotations

from starlette.convertors import IntegerConvertor, register_url_convertor


class RowNumber(IntegerConvertor):
    """Up to nine digits, which every database holds; an address with more of them is nobody's."""

    regex = "[0-9]{1,9}"


register_url_convertor("row", RowNumber())


def row_number(name: str) -> str:
    """The part of a route that takes such a number as the path parameter `name`."""
    return f"{{{name}:row}}"
