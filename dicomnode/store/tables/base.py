"""What all tables share.

Times are seconds since 1970 (UTC), so that they compare on every database.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Enum, MetaData, String
from sqlalchemy.orm import DeclarativeBase

UID = String(64)
"""A column that holds a UID (PS3.5 9.1)."""


class Base(DeclarativeBase):
    """Of all tables; constraint names are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def enumeration(kind: type[StrEnum]) -> Enum:
    """A column that holds one of these, by its value."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )
