"""Which studies are touched by what was done to jobs by hand: the audit trail tells of studies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from dicomnode.store.tables import Delivery, Instance, Lesion, RefusalReport, Result, Summary

_AT_ONCE = 5000
"""Numbers in one statement; SQLite takes some 32,000."""


class Changed(Protocol):
    """What became of one row, as `dicomnode.jobs.by_hand.Change` says it."""

    @property
    def kind(self) -> str:
        """A ``lesion``, a ``delivery`` or a ``circuit``; this one is of no study."""

    @property
    def subject(self) -> str:
        """Its number."""

    @property
    def why_not(self) -> str:
        """Why it was left as it is; empty where it was not."""


def studies_touched(session: Session, changes: Collection[Changed]) -> tuple[str, ...]:
    """Give the Study Instance UIDs of what was changed, in order, each once.

    Of a lesion, and of a delivery of what was made of a lesion, of a series or of refusals. What
    was left as it is, and what came without a study's UID, is none of them.
    """
    found: set[str | None] = set()
    for numbers in _numbers(changes, "lesion"):
        query = select(Lesion.study_instance_uid).where(Lesion.id.in_(numbers))
        found.update(session.scalars(query.distinct()))
    for numbers in _numbers(changes, "delivery"):
        results = select(Delivery.result_id).where(Delivery.id.in_(numbers))
        for query in _studies_of(results):
            found.update(session.scalars(query.distinct()))
    return tuple(sorted(uid for uid in found if uid))


def _studies_of(results: Select[tuple[int]]) -> Iterator[Select[tuple[str | None]]]:
    """A result is of one lesion, of all lesions of a CT series, or of an object's refusals."""
    yield select(Lesion.study_instance_uid).join(Lesion.results).where(Result.id.in_(results))
    series = select(Summary.series_instance_uid).join(Summary.results)
    told_of = select(RefusalReport.source_sop_instance_uid).join(RefusalReport.results)
    yield select(Instance.study_instance_uid).where(
        or_(
            Instance.series_instance_uid.in_(series.where(Result.id.in_(results))),
            Instance.sop_instance_uid.in_(told_of.where(Result.id.in_(results))),
        )
    )


def _numbers(changes: Collection[Changed], kind: str) -> Iterator[Sequence[int]]:
    done = [int(one.subject) for one in changes if one.kind == kind and not one.why_not]
    for first in range(0, len(done), _AT_ONCE):
        yield done[first : first + _AT_ONCE]
