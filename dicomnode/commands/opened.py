"""Open the store of a node that may be running, only to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dicomnode.commands.app import complain
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database


@contextmanager
def opened(settings: NodeSettings) -> Iterator[Session]:
    """Give a session on the node's rows, or leave with why there is none."""
    if not settings.store.path.is_dir():
        raise complain(f"{settings.store.path}: no store is there; has the node run?")
    database = Database(settings.store.url)
    try:
        with database.read() as session:
            yield session
    except SQLAlchemyError as error:
        raise complain(f"the store cannot be read: {type(error).__name__}") from None
    finally:
        database.close()
