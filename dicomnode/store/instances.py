"""The index of received instances."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from sqlalchemy import insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Insert

from dicomnode.store.database import Database
from dicomnode.store.group_commit import GroupCommit
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.states import InstanceState
from dicomnode.store.tables import Instance


class InstanceIndex:
    """Records what was received; a committed `add` is what makes a success true.

    Parameters
    ----------
    database : Database
    image_classes : collection of str
        SOP Class UIDs of images. Their instances are `HELD` at once; all others start as
        `RECEIVED`, to be examined for marks.
    """

    def __init__(self, database: Database, image_classes: Collection[str]) -> None:
        self._database = database
        self._image_classes = frozenset(image_classes)
        statement = _put(database.engine.dialect.name)
        self._commits = GroupCommit[dict[str, object]](
            lambda rows: database.insert(statement, rows)
        )

    def add(self, received: ReceivedInstance) -> None:
        """Record one instance. A version that differs from an earlier one takes its place."""
        self._commits.add(self._row(received))

    def held(self, sop_instance_uid: str) -> Path | None:
        """Path of the instance's file, None where it is not indexed."""
        with self._database.read() as session:
            path = session.scalar(
                select(Instance.path).where(Instance.sop_instance_uid == sop_instance_uid)
            )
        return None if path is None else Path(path)

    def put(self, received: ReceivedInstance, instead_of: Path | None) -> bool:
        """Record one instance, unless another file than `instead_of` is recorded for it by now.

        Parameters
        ----------
        received : ReceivedInstance
        instead_of : Path or None
            What `held` gave; None where it is new.

        Returns
        -------
        bool
            Whether it was recorded.
        """
        row = self._row(received)
        try:
            with self._database.write() as session:
                if instead_of is None:
                    session.execute(insert(Instance.__table__), row)
                    return True
                uid = row.pop("sop_instance_uid")
                named = (Instance.sop_instance_uid == uid, Instance.path == str(instead_of))
                return session.execute(update(Instance).where(*named).values(row)).rowcount == 1
        except IntegrityError:
            return False

    def paths_of_series(self, series_instance_uid: str) -> set[str]:
        """Paths of the indexed files of a series."""
        with self._database.read() as session:
            return set(
                session.scalars(
                    select(Instance.path).where(Instance.series_instance_uid == series_instance_uid)
                )
            )

    def _row(self, received: ReceivedInstance) -> dict[str, object]:
        header = received.header
        image = header.sop_class_uid in self._image_classes
        return vars(header) | {
            "path": str(received.path),
            "size": received.size,
            "calling_ae": received.calling_ae,
            "called_ae": received.called_ae,
            "priority": received.priority,
            "received_at": time.time(),
            "state": InstanceState.HELD if image else InstanceState.RECEIVED,
        }


def _put(dialect: str) -> Insert:
    """A row takes the place of the one of the same SOP Instance UID that was there."""
    of_dialect = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = of_dialect(Instance.__table__)
    return statement.on_conflict_do_update(
        index_elements=[Instance.sop_instance_uid],
        set_={
            column.name: column
            for column in statement.excluded
            if column.name != Instance.sop_instance_uid.name
        },
    )


def paths_of(session: Session, sop_instance_uids: Sequence[str]) -> list[Path]:
    """Paths of the instances, in the order asked for.

    Raises
    ------
    KeyError
        With the first UID that is not indexed.
    """
    found: dict[str, str] = {}
    for chunk in _chunks(sop_instance_uids, 500):
        rows = session.execute(
            select(Instance.sop_instance_uid, Instance.path).where(
                Instance.sop_instance_uid.in_(chunk)
            )
        )
        found.update((uid, path) for uid, path in rows)
    return [Path(found[uid]) for uid in sop_instance_uids]


def _chunks(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (items[start : start + size] for start in range(0, len(items), size))
