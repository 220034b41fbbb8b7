"""What the node holds of a study: what it received, and what it made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, bindparam, exists, func, not_, or_, select

from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, RefusalReport, Result, Summary
from dicomnode.web.dicomweb.bounded_cache import BoundedCache
from dicomnode.web.dicomweb.described import Described, Descriptions
from dicomnode.web.dicomweb.problem import Problem, not_found

_FOR_S = 5
"""How long a place that was looked up is gone by; a viewer asks for one frame after the other."""

_ONE = select(
    Instance.study_instance_uid,
    Instance.series_instance_uid,
    Instance.sop_class_uid,
    Instance.path,
).where(Instance.sop_instance_uid == bindparam("instance"))

_COUNTS = (
    select(
        Instance.series_instance_uid, Instance.sop_class_uid, func.count(), func.min(Instance.path)
    )
    .where(Instance.study_instance_uid == bindparam("study"))
    .group_by(Instance.series_instance_uid, Instance.sop_class_uid)
)

_NOT_STANDING = (LesionState.SUPERSEDED, LesionState.REFUSED)


def _results():  # a query
    mine = Instance.study_instance_uid == bindparam("study")
    of_lesion = and_(
        Lesion.study_instance_uid == bindparam("study"), Lesion.state.not_in(_NOT_STANDING)
    )
    of_series = Summary.series_instance_uid.in_(select(Instance.series_instance_uid).where(mine))
    of_object = RefusalReport.source_sop_instance_uid.in_(
        select(Instance.sop_instance_uid).where(mine)
    )
    sent = exists().where(Delivery.result_id == Result.id)
    kept = exists().where(
        Delivery.result_id == Result.id, Delivery.state != DeliveryState.WITHDRAWN
    )
    return (
        select(Result.sop_instance_uid, Result.sop_class_uid, Result.path)
        .where(Result.path != "")  # else its study was deleted
        .where(
            or_(
                Result.lesion.has(of_lesion),
                Result.summary.has(of_series),
                Result.refusal_report.has(of_object),
            )
        )
        .where(or_(not_(sent), kept))
        .order_by(Result.id)
    )


# Made once: to make one takes longer than to run it.
_RESULTS = _results()
_STUDIES = (
    select(Instance.study_instance_uid, func.min(Instance.path))
    .group_by(Instance.study_instance_uid)
    .order_by(func.max(Instance.received_at).desc(), Instance.study_instance_uid)
)
_RESULT = _RESULTS.where(Result.sop_instance_uid == bindparam("instance"))


@dataclass(frozen=True)
class Held:
    """One object that the node holds."""

    study: str
    series: str
    instance: str
    sop_class: str
    path: Path


@dataclass(frozen=True)
class HeldStudy:
    """One study.

    Attributes
    ----------
    study : str
        Study Instance UID.
    path : Path
        The file of one of its instances.
    """

    study: str
    path: Path


@dataclass(frozen=True)
class Counted:
    """Objects of one SOP class in one series: how many, and the file of one of them."""

    series: str
    sop_class: str
    count: int
    path: Path


class Holdings:
    """Finds objects by their UIDs. Safe to use from several threads.

    A result is held unless another one stands for it, or it was withdrawn before anybody got it.

    Parameters
    ----------
    database : Database
    descriptions : Descriptions
        Of files; says which series a result is in.
    """

    def __init__(self, database: Database, descriptions: Descriptions) -> None:
        self._database = database
        self.descriptions = descriptions
        self._places: BoundedCache[Held | None] = BoundedCache(20_000)

    def studies(self, only: Sequence[str] = ()) -> list[HeldStudy]:
        """All studies, or those of the UIDs that are here; what came last is first."""
        query = _STUDIES
        if only:
            query = query.where(Instance.study_instance_uid.in_(only))
        with self._database.engine.connect() as connection:
            return [HeldStudy(study, Path(path)) for study, path in connection.execute(query)]

    def objects(
        self, study: str, series: str | None = None, instance: str | None = None
    ) -> list[Held]:
        """Objects of a study or series, in the order of series and instance number."""
        query = select(
            Instance.series_instance_uid,
            Instance.sop_instance_uid,
            Instance.sop_class_uid,
            Instance.path,
        ).where(Instance.study_instance_uid == study)
        if series is not None:
            query = query.where(Instance.series_instance_uid == series)
        if instance is not None:
            query = query.where(Instance.sop_instance_uid == instance)
        order = (Instance.series_instance_uid, Instance.instance_number, Instance.sop_instance_uid)
        with self._database.read() as session:
            rows = session.execute(query.order_by(*order)).all()
            asked = {"study": study} if instance is None else {"study": study, "instance": instance}
            results = session.execute(_RESULTS if instance is None else _RESULT, asked).all()
        found = {row[1]: Held(study, row[0], row[1], row[2], Path(row[3])) for row in rows}
        for uid, sop_class, path in results:
            # One that was sent back to the node is what was received.
            made = None if uid in found else self._made(uid, sop_class, Path(path))
            if made is not None and made.study == study and series in (None, made.series):
                found[uid] = made
        return list(found.values())

    def count(self, study: str) -> list[Counted]:
        """What a study holds, without a look at each of its objects."""
        with self._database.engine.connect() as connection:
            rows = connection.execute(_COUNTS, {"study": study}).all()
            results = connection.execute(_RESULTS, {"study": study}).all()
            made = [row[0] for row in results]
            query = select(Instance.sop_instance_uid).where(Instance.sop_instance_uid.in_(made))
            again = {row[0] for row in connection.execute(query)} if made else set()
        found = [Counted(row[0], row[1], row[2], Path(row[3])) for row in rows]
        for uid, sop_class, path in results:
            made = None if uid in again else self._made(uid, sop_class, Path(path))
            if made is not None and made.study == study:
                found.append(Counted(made.series, sop_class, 1, made.path))
        return found

    def series_of(self, study: str, series: str | None = None) -> dict[str, list[Held]]:
        """Objects of a study by their series."""
        found: dict[str, list[Held]] = {}
        for held in self.objects(study, series):
            found.setdefault(held.series, []).append(held)
        return found

    def required(
        self, study: str, series: str | None = None, instance: str | None = None
    ) -> list[Held]:
        """As `objects`; where there are none, a 404."""
        found = self.objects(study, series, instance)
        if not found:
            raise not_found("the study" if series is None else "the series")
        return found

    def one(self, study: str, series: str, instance: str) -> Held:
        """One object.

        Raises
        ------
        Problem
            404.
        """
        key = (study, series, instance, int(time.monotonic() / _FOR_S))
        held = self._places.get(key, lambda: self._find(study, series, instance))
        if held is None:
            raise not_found("the instance")
        return held

    def described(self, held: Held) -> Described:
        """Where the parts of its file lie, and what its header says."""
        return self.descriptions.of(held.path)

    def _find(self, study: str, series: str, instance: str) -> Held | None:
        """Most are received: they are looked for alone, and at once."""
        with self._database.engine.connect() as connection:
            row = connection.execute(_ONE, {"instance": instance}).first()
        if row is None:
            return next(iter(self.objects(study, series, instance)), None)
        here = row[0] == study and row[1] == series
        return Held(study, series, instance, row[2], Path(row[3])) if here else None

    def _made(self, uid: str, sop_class: str, path: Path) -> Held | None:
        """A result with the series that its file says; None where the file is gone."""
        try:
            says = self.descriptions.of(path)
        except Problem:
            return None
        study, series = says.uids("0020000D", "0020000E")
        return Held(study, series, uid, sop_class, path) if study and series else None
