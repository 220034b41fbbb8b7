"""What each destination is to be told of the refusals of one object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.deliver.confirmation import HELD
from dicomnode.marks import Refusal
from dicomnode.refusals.asking_rule import Asking, AskingRules
from dicomnode.refusals.gathered import refused_items
from dicomnode.routing import Rule
from dicomnode.store.refusals import has_undecided
from dicomnode.store.states import DeliveryState
from dicomnode.store.tables import Delivery, Instance, RefusalReport, Result

Accepts = Callable[[Session, str], tuple[bool | None, str]]
"""Of a destination's name: whether it takes the document, None where not known, and why."""


@dataclass(frozen=True)
class PlannedDocument:
    """One document to make.

    Attributes
    ----------
    refusals : tuple of Refusal
        Empty where nothing is refused any more.
    destinations : tuple of str
    predecessor : Path or None
        The newest document that one of them has, or may have.
    """

    refusals: tuple[Refusal, ...]
    destinations: tuple[str, ...]
    predecessor: Path | None


@dataclass(frozen=True)
class Plan:
    """What is to be done about the refusals of one object.

    Attributes
    ----------
    documents : tuple of PlannedDocument
    changed : mapping
        Of each destination that is told something else than before, the refusals. What it was to
        get before, and has not got, is sent no more.
    changes : int
        `RefusalReport.changes` when the plan was made.
    words : str
        For the administrator.
    """

    documents: tuple[PlannedDocument, ...]
    changed: Mapping[str, tuple[Refusal, ...]]
    changes: int
    words: str


def plan(session: Session, report: RefusalReport, rules: Sequence[Rule], accepts: Accepts) -> Plan:
    """Say what each destination is to be told, by what is in the rows now.

    A destination is told of what falls under a rule that asks and names it. What it was once told
    of stays in its documents as long as it is refused, whichever rule it falls under now.

    Two things wait until every mark of the object is decided: a document that would only take
    something back, and refusals whose rule hangs on what is not known yet.

    Parameters
    ----------
    session : Session
    report : RefusalReport
    rules : sequence of Rule
        As they are configured.
    accepts : callable
    """
    source = session.get_one(Instance, report.source_sop_instance_uid)
    items = refused_items(session, source.sop_instance_uid)
    finder = AskingRules(session, source, rules)
    asked = [(item.refusal, finder.of(item)) for item in items]
    undecided = has_undecided(session, source.sop_instance_uid)
    words = [_words_of_rules([asking for _, asking in asked])] if asked else ["nothing is refused"]
    asking_rules = [rule for rule in rules if rule.sends_refusals]
    changed: dict[str, tuple[Refusal, ...]] = {}
    later = False
    for name in dict.fromkeys(name for rule in asking_rules for name in rule.destinations):
        told = _told(report, name)
        now = tuple(
            refusal
            for refusal, asking in asked
            if (told is not None and refusal in told)
            or (_is_for(asking, name) and not (undecided and asking.undecided))
        )
        later |= undecided and any(
            _is_for(asking, name) and refusal not in now for refusal, asking in asked
        )
        if set(now) == set(told or ()):
            continue
        if undecided and told is not None and set(now) < set(told):
            later = True
            continue
        answer, why = accepts(session, name)
        if answer is False:
            words.append(f"{name} does not get it: {why}")
            continue
        changed[name] = now
    if later:
        words.append("some of it waits until every mark of the object is decided")
    documents = documents_of(session, report, changed)
    return Plan(documents, changed, report.changes, "; ".join(words))


def documents_of(
    session: Session, report: RefusalReport, changed: Mapping[str, tuple[Refusal, ...]]
) -> tuple[PlannedDocument, ...]:
    """One document for all destinations that are told the same.

    Nothing is taken back from a destination that was never sent a document.
    """
    shared: dict[tuple[Refusal, ...], list[str]] = {}
    for name, refusals in changed.items():
        if refusals or _newest(session, report, [name]) is not None:
            shared.setdefault(refusals, []).append(name)
    return tuple(
        PlannedDocument(refusals, tuple(names), _newest(session, report, names))
        for refusals, names in shared.items()
    )


def _is_for(asking: Asking, destination: str) -> bool:
    rule = asking.rule
    return rule is not None and rule.sends_refusals and destination in rule.destinations


def _told(report: RefusalReport, destination: str) -> frozenset[Refusal] | None:
    """What the newest document of a destination holds; None where it never was to get one."""
    pairs = report.told.get(destination)
    return None if pairs is None else frozenset(Refusal(item, reason) for item, reason in pairs)


def _newest(session: Session, report: RefusalReport, destinations: Collection[str]) -> Path | None:
    """The newest document that one of the destinations has, or may have."""
    path = session.scalar(
        select(Result.path)
        .join(Result.deliveries)
        .where(
            Result.refusal_report_id == report.id,
            Result.path != "",  # else its study was deleted
            Delivery.destination.in_(destinations),
            Delivery.state.in_((DeliveryState.SENT, *HELD)),
        )
        .order_by(Result.id.desc())
        .limit(1)
    )
    return None if path is None else Path(path)


def _words_of_rules(asking: Collection[Asking]) -> str:
    counts: dict[str, int] = {}
    for one in asking:
        counts[_words_of(one)] = counts.get(_words_of(one), 0) + 1
    return "; ".join(f"{count} refused {words}" for words, count in counts.items())


def _words_of(asking: Asking) -> str:
    if asking.rule is None:
        return "under no rule"
    words = f"under rule {asking.rule.name!r}"
    if not asking.rule.report_refusals:
        words += ", which does not ask for refusals"
    if asking.undecided:
        words += f" (taken to fit, for not known: {', '.join(asking.undecided)})"
    return words
