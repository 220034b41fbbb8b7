"""Say of a UID what the node knows, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime

from pydicom.uid import UID
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dicomnode.commit.standing import requests_for
from dicomnode.deliver.standing import in_full
from dicomnode.explained import Outcome, explain_reading
from dicomnode.explained.stored_mark import items_of_object, reader_lines, told
from dicomnode.marks import MarkReading, Refusal
from dicomnode.marks.serialised import from_json
from dicomnode.store.refusals import report_of
from dicomnode.store.states import LesionState, RetrievalState, SummaryState
from dicomnode.store.tables import (
    Finding,
    Instance,
    Lesion,
    Purge,
    PurgedInstance,
    RefusalReport,
    Result,
    Retrieval,
)


def explain(
    session: Session, uid: str, destinations: Collection[str] | None = None
) -> Iterator[str]:
    """Tell the way of an instance, a series, a study or a result.

    Parameters
    ----------
    session : Session
    uid : str
    destinations : collection of str, optional
        Names of the configured ones; deliveries to others are said to wait for nobody.

    Yields
    ------
    str
        Lines, indented below what they belong to; none where the UID is unknown.
    """
    instance = session.get(Instance, uid)
    if instance is not None:
        yield from _instance(session, instance, destinations)
    else:
        received = session.scalars(
            select(Instance).where(
                or_(Instance.series_instance_uid == uid, Instance.study_instance_uid == uid)
            )
        ).all()
        if received:
            yield from _group(session, uid, received)
    yield from _purges(session, uid)
    asked = list(requests_for(session, uid))
    if asked and instance is None:
        yield f"{uid}: not received here"
    yield from _indent(iter(asked))
    result = session.scalar(select(Result).where(Result.sop_instance_uid == uid))
    if result is not None:
        yield f"{uid}: {result.kind} that this node made"
        if result.lesion is not None:
            yield from _indent(_lesion(result.lesion, destinations))
        elif result.refusal_report is not None:
            told_of = result.refusal_report.source_sop_instance_uid
            yield f"  of the refused marks of object {told_of}"
            yield from _indent(_result(result, destinations))
        else:
            yield from _indent(_summary(result, destinations))
    lesions = session.scalars(
        select(Lesion)
        .where(
            or_(
                Lesion.key_sop_instance_uid == uid,
                Lesion.series_instance_uid == uid,
                Lesion.study_instance_uid == uid,
                Lesion.frame_of_reference_uid == uid,
                Lesion.retrievals.any(
                    or_(Retrieval.series_instance_uid == uid, Retrieval.study_instance_uid == uid)
                ),
            )
        )
        .order_by(Lesion.id)
    ).all()
    if lesions:
        yield f"{len(lesions)} lesion(s) are marked on it:"
        for lesion in lesions:
            yield from _indent(_lesion(lesion, destinations))


def _instance(
    session: Session, instance: Instance, destinations: Collection[str] | None
) -> Iterator[str]:
    yield (
        f"{instance.sop_instance_uid}: {UID(instance.sop_class_uid).name}, "
        f"received {_moment(instance.received_at)} from {instance.calling_ae or 'a folder'}, "
        f"{instance.state.value}"
    )
    findings = session.scalars(
        select(Finding)
        .where(Finding.source_sop_instance_uid == instance.sop_instance_uid)
        .order_by(Finding.id)
    ).all()
    lesions: dict[int, list[str]] = {}
    for finding in findings:
        if finding.lesion_id is None:
            refusal = Refusal(finding.item, finding.reason or "it cannot be used")
            yield from _indent(told(explain_reading(MarkReading(refusals=(refusal,)))))
        else:
            lesions.setdefault(finding.lesion_id, []).append(finding.item)
    for number, items in lesions.items():
        lesion = session.get_one(Lesion, number)
        own = items_of_object(from_json(lesion.mark), instance.sop_instance_uid)
        if own:
            yield from _indent(told(own))
        else:  # another object brought the same one first
            yield f"  item {', '.join(dict.fromkeys(items))}: the same as in another object"
        yield from _indent(_lesion(lesion, destinations), "    ")
    report = report_of(session, instance.sop_instance_uid)
    if report is not None:
        yield from _indent(_refusal_report(report, destinations))


def _group(session: Session, uid: str, instances: Sequence[Instance]) -> Iterator[str]:
    classes: dict[str, int] = {}
    for instance in instances:
        classes[instance.sop_class_uid] = classes.get(instance.sop_class_uid, 0) + 1
    counted = ", ".join(f"{count} x {UID(name).name}" for name, count in sorted(classes.items()))
    newest = max(instance.received_at for instance in instances)
    yield f"{uid}: {counted}, the last received {_moment(newest)}"
    for instance in instances:
        refused = session.scalars(
            select(Finding).where(
                Finding.source_sop_instance_uid == instance.sop_instance_uid,
                Finding.lesion_id.is_(None),
            )
        )
        for finding in refused:
            yield (
                f"  {instance.sop_instance_uid} item {finding.item}: "
                f"{Outcome.REFUSED.value}: {finding.reason}"
            )


def _lesion(lesion: Lesion, destinations: Collection[str] | None) -> Iterator[str]:
    head = f"lesion {lesion.id}: {lesion.state.value}"
    if lesion.reason:
        published = lesion.state is LesionState.PUBLISHED  # until what takes its place is, too
        head += f", but {lesion.reason}" if published else f", because {lesion.reason}"
    yield head
    yield from _indent(reader_lines(from_json(lesion.mark)))
    if lesion.replaced_by is not None:
        yield f"  lesion {lesion.replaced_by} stands for it"
    for other in lesion.replaced:
        yield (
            f"  stands for lesion {other.id}, {other.state.value}, drawn on series "
            f"{other.series_instance_uid}"
        )
    if lesion.rule is not None:
        yield f"  rule {lesion.rule!r}, method {lesion.method}, {_slices(lesion)}"
        if lesion.dry_run:
            names = ", ".join(lesion.destinations) or "nobody"
            yield f"  a dry run: it is segmented and kept, and not sent to {names}"
        elif lesion.wanted_results is not None:
            yield f"  results by the rule: {', '.join(lesion.wanted_results)}"
    if lesion.volume_ml is not None:
        yield f"  soft volume {lesion.volume_ml:.3f} ml in {lesion.seconds:.2f} s"
    for warning in lesion.warnings:
        yield f"  warning: {warning}"
    for retrieval in lesion.retrievals:
        yield f"  {_retrieval(retrieval)}"
    for result in lesion.results:
        yield from _indent(_result(result, destinations))


def _slices(lesion: Lesion) -> str:
    # A lesion has met its slices before it has a rule.
    return "its study was deleted" if lesion.slices is None else f"{len(lesion.slices)} slices"


def _purges(session: Session, uid: str) -> Iterator[str]:
    """Who deleted a study, series or object of that UID, when and why."""
    purges = session.scalars(
        select(Purge)
        .where(
            or_(
                Purge.study_instance_uid == uid,
                Purge.id.in_(
                    select(PurgedInstance.purge_id).where(
                        or_(
                            PurgedInstance.sop_instance_uid == uid,
                            PurgedInstance.series_instance_uid == uid,
                        )
                    )
                ),
            )
        )
        .order_by(Purge.id)
    )
    for purge in purges:
        yield (
            f"study {purge.study_instance_uid}: deleted {_moment(purge.at)} by {purge.who}, "
            f"because: {purge.why}; it was {purge.state.value}; {purge.instances} received objects "
            f"and {purge.results} results, {purge.size} bytes"
        )
        gone = session.scalar(
            select(PurgedInstance).where(
                PurgedInstance.purge_id == purge.id, PurgedInstance.sop_instance_uid == uid
            )
        )
        if gone is not None:
            yield (
                f"  {uid}: {UID(gone.sop_class_uid).name}, received {_moment(gone.received_at)} "
                f"from {gone.calling_ae or 'a folder'}"
            )


def _summary(result: Result, destinations: Collection[str] | None) -> Iterator[str]:
    summary = result.summary
    yield f"of all lesions of series {summary.series_instance_uid} by rule {summary.rule!r}"
    if summary.reason:
        yield f"  {summary.reason}"
    yield from _result(result, destinations)


def _refusal_report(report: RefusalReport, destinations: Collection[str] | None) -> Iterator[str]:
    state = {
        SummaryState.WAITING: "to be looked at, when none of its marks is worked at",
        SummaryState.PUBLISHED: "as far as rules ask for it",
        SummaryState.FAILED: "could not be written",
    }[report.state]
    yield f"refusals sent back: {state}"
    if report.reason:
        yield f"  {report.reason}"
    for result in report.results:
        yield from _indent(_result(result, destinations))


def _result(result: Result, destinations: Collection[str] | None) -> Iterator[str]:
    yield f"{result.kind} {result.sop_instance_uid}, {result.size} bytes"
    for delivery in result.deliveries:
        line = f"  to {delivery.destination}: {delivery.state.value}"
        if delivery.attempts:
            line += f" after {delivery.attempts} attempt(s)"
        if destinations is not None and delivery.destination not in destinations:
            line += ", but no destination of that name is configured"
        if delivery.peer_words:
            line += f", the peer said: {delivery.peer_words}"
        yield line
        yield from _indent(in_full(delivery), "    ")


def _retrieval(retrieval: Retrieval) -> str:
    """Where fetching images stands; the peer's words are last, for they can be long."""
    line = f"to be fetched: {retrieval.wanted}: {retrieval.state.value}"
    if retrieval.attempts:
        line += f" after {retrieval.attempts} attempt(s)"
    if retrieval.instances:
        line += f", {retrieval.instances} images came"
    if retrieval.state is RetrievalState.QUEUED:
        line += f", due {_moment(retrieval.due_at)}"
    return f"{line}; {retrieval.peer_words}" if retrieval.peer_words else line


def _indent(lines: Iterator[str], by: str = "  ") -> Iterator[str]:
    return (by + line for line in lines)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
