"""Open the store of a node that may be running."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from dicomnode.commands.app import complain
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database


@contextmanager
def opened(settings: NodeSettings) -> Iterator[Session]:
    """Give a session on the node's rows, only to read, or leave with why there is none."""
    with opened_database(settings) as database, database.read() as session:
        yield session


@contextmanager
def opened_database(settings: NodeSettings) -> Iterator[Database]:
    """Give the database, or leave with why there is none."""
    file = make_url(settings.store.url).database
    if settings.store.url.startswith("sqlite") and not (file and Path(file).is_file()):
        # Looking must not make a database, which then belongs to whoever looked.
        raise complain(f"{file}: no database is there; has the node run?")
    database = Database(settings.store.url)
    try:
        yield database
    except SQLAlchemyError as error:
        raise complain(
            f"the store cannot be read ({type(error).__name__}); "
            "run this as the user that the node runs as; `dicomnode doctor` says more"
        ) from None
    finally:
        database.close()
