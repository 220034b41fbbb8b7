"""When, by whom and instead of what the objects that hold a mark were stated."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.marks.authorship import Authorship
from dicomnode.store.tables import Instance, Statement

MOST_PREDECESSORS = 1000
"""Objects in the history of one document that are followed."""


@dataclass(frozen=True)
class Source:
    """One object that holds a mark.

    Attributes
    ----------
    sop_instance_uid, series_instance_uid : str
    authorship : Authorship
    history : frozenset of str
        The documents that it goes back to, at any remove, as far as they are known.
    stated : tuple
        Compares with those of others. A document is later than those in its history, whatever
        their dates; else content and verification decide, then the creation of the instance. When
        it came here counts last, and for objects that bear no date.
    """

    sop_instance_uid: str
    series_instance_uid: str
    authorship: Authorship
    history: frozenset[str]
    stated: tuple


def record_statement(session: Session, uid: str, authorship: Authorship) -> None:
    """Write down what an object says of its authorship, over what an earlier version said."""
    session.merge(
        Statement(
            sop_instance_uid=uid,
            stated_at=authorship.stated_at,
            created_at=authorship.created_at,
            person=authorship.person,
            device=authorship.device,
            predecessors=list(authorship.predecessors),
        )
    )


def sources_of(session: Session, uids: Collection[str]) -> dict[str, Source]:
    """The objects of these UIDs that are here."""
    known: dict[str, tuple[Authorship, float, str]] = {}
    histories = {uid: _history(session, uid, known) for uid in uids}
    found = {}
    for uid, history in histories.items():
        if uid not in known:
            continue
        authorship, received_at, series = known[uid]
        moments = [_moment(known[each]) for each in (uid, *history) if each in known]
        created = authorship.created_at
        found[uid] = Source(
            uid,
            series,
            authorship,
            history,
            (
                max(moments),
                len(history),
                _moment(known[uid]) if created is None else created,
                received_at,
                uid,
            ),
        )
    return found


def may_be_one_author(one: Iterable[Source], other: Iterable[Source], *, masks: bool) -> bool:
    """Whether two marks may be one mark at different times, by the objects that hold them.

    They may if one object goes back to the other, if one person is named in both, or if nobody is
    and both are of one series. Axes, but not masks, that nobody in particular drew with one device
    are one author's too: viewers without a login name nobody and begin a series at each save,
    while tools for masks are used by several readers of a study without their names.

    Parameters
    ----------
    one, other : iterable of Source
    masks : bool
        Whether both are masks.
    """
    return any(_one_author(a, b, masks) for a in one for b in other)


def _one_author(one: Source, other: Source, masks: bool) -> bool:
    if one.sop_instance_uid in other.history or other.sop_instance_uid in one.history:
        return True
    mine, theirs = one.authorship, other.authorship
    if None not in (mine.person, theirs.person):
        return mine.person == theirs.person
    if one.series_instance_uid == other.series_instance_uid:
        return True
    nobody = mine.person is None and theirs.person is None
    return nobody and not masks and mine.device is not None and mine.device == theirs.device


def _moment(known: tuple[Authorship, float, str]) -> float:
    authorship, received_at, _ = known
    return received_at if authorship.stated_at is None else authorship.stated_at


def _history(
    session: Session, uid: str, known: dict[str, tuple[Authorship, float, str]]
) -> frozenset[str]:
    """All documents that one goes back to. Where documents name each other, all have one history,
    so that none is later for it.
    """
    found: set[str] = set()
    to_do = [uid]
    while to_do and len(found) < MOST_PREDECESSORS:
        _load(session, to_do, known)
        named = {p for each in to_do if each in known for p in known[each][0].predecessors}
        to_do = sorted(named - found)
        found |= named
    return frozenset(found)


def _load(
    session: Session, uids: Iterable[str], known: dict[str, tuple[Authorship, float, str]]
) -> None:
    absent = [uid for uid in uids if uid not in known]
    rows = session.execute(
        select(Instance, Statement)
        .outerjoin(Statement, Statement.sop_instance_uid == Instance.sop_instance_uid)
        .where(Instance.sop_instance_uid.in_(absent[:MOST_PREDECESSORS]))
    )
    for instance, statement in rows:
        authorship = Authorship()
        if statement is not None:
            authorship = Authorship(
                statement.stated_at,
                statement.created_at,
                statement.person,
                statement.device,
                tuple(statement.predecessors),
            )
        known[instance.sop_instance_uid] = (
            authorship,
            instance.received_at,
            instance.series_instance_uid,
        )
