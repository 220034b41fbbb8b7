"""Finds by rows what no hint told of: a receiver that was killed had no time to.

A look costs a few queries on indexes, whatever the store holds.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from dicomnode.store.database import Database
from dicomnode.store.states import InstanceState, LesionState
from dicomnode.store.tables import Instance, Lesion

LOOK_EVERY_S = 5.0
_AT_ONCE = 500


class MissedArrivals:
    """Compares what waiting lesions want with how much of it is there.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: dict[str, int] = {}

    def look(self) -> tuple[bool, set[str]]:
        """Look once.

        Returns
        -------
        unread : bool
            Whether objects were stored that nobody has examined.
        uids : set of str
            Of series, frames of reference and images that lesions wait for, and of which more is
            here than at the last look.
        """
        with self._database.read() as session:
            unread = bool(
                session.scalar(select(exists().where(Instance.state == InstanceState.RECEIVED)))
            )
            counts = _counts(session)
        before, self._counts = self._counts, counts
        return unread, {uid for uid, count in counts.items() if count > before.get(uid, 0)}


def _counts(session: Session) -> dict[str, int]:
    """How many instances there are of all that waiting lesions want."""
    found: dict[str, int] = {}
    for wanted, column in (
        (Lesion.key_sop_instance_uid, Instance.sop_instance_uid),
        (Lesion.series_instance_uid, Instance.series_instance_uid),
        (Lesion.frame_of_reference_uid, Instance.frame_of_reference_uid),
    ):
        uids = session.scalars(
            select(wanted)
            .distinct()
            .where(Lesion.state == LesionState.WAITING, wanted.is_not(None))
        ).all()
        for some in _chunks(uids):
            found.update(
                (uid, count)
                for uid, count in session.execute(
                    select(column, func.count()).where(column.in_(some)).group_by(column)
                )
            )
    return found


def _chunks(items: list[str] | tuple[str, ...]) -> Iterable[list[str] | tuple[str, ...]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
