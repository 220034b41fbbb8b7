"""Write down which lesions stand, and which one stands for each of the others.

What has been published is withdrawn only in the transaction that publishes what stands for it: the
newer mark may turn out to be one that nothing can be made of. What has not been published yet is
superseded at once, and comes back should the other one fail. Both follow from rows: a lesion that
fails leaves those that it stood for `unsettled`, and they are compared again, also after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dicomnode.collect.claims import ALIVE
from dicomnode.collect.kinship import Verdict
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.serialised import from_json, to_json
from dicomnode.store.refusals import lesions_changed
from dicomnode.store.standing import unsettle_replaced, withdraw
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion


def settle(session: Session, verdicts: Iterable[Verdict]) -> tuple[list[int], list[int]]:
    """Give each lesion the place that was found for it.

    Parameters
    ----------
    session : Session
        Writing.
    verdicts : iterable of Verdict
        Of lesions that have met their CT.

    Returns
    -------
    ready : list of int
        Lesions that are to be worked at now.
    superseded : list of int
        Lesions that another one now stands for.
    """
    ready, superseded = [], []
    standing, replaced = [], []
    for verdict in verdicts:
        (standing if verdict.replaced_by is None else replaced).append(verdict)
    for verdict in standing:
        lesion = session.get_one(Lesion, verdict.lesion_id)
        if _is_out(lesion):
            continue
        if _stand(lesion, LesionMark(verdict.opinions)):
            ready.append(lesion.id)
    for verdict in replaced:
        lesion = session.get_one(Lesion, verdict.lesion_id)
        lead = session.get_one(Lesion, verdict.replaced_by)
        if _is_out(lesion):
            continue
        if lesion.state is not LesionState.SUPERSEDED or lesion.replaced_by != lead.id:
            superseded.append(lesion.id)
        lesion.replaced_by = lead.id
        lesion.reason = verdict.why
        # It failed, or left, after it was looked at: they are to be compared again without it.
        lesion.unsettled = _is_out(lead)
        if lesion.state is not LesionState.PUBLISHED or lead.state is LesionState.PUBLISHED:
            lesion.state = LesionState.SUPERSEDED
            withdraw(session, lesion)
    lesions_changed(session, superseded)
    session.flush()
    return ready, superseded


def leave(session: Session, lesion_id: int, why: str) -> None:
    """Take a lesion out whose mark is gone; those that it stood for are compared again.

    Parameters
    ----------
    session : Session
        Writing.
    lesion_id : int
    why : str
    """
    lesion = session.get_one(Lesion, lesion_id)
    if lesion.replaced_by is not None:  # its opinion may be part of that one
        session.execute(
            update(Lesion).where(Lesion.id == lesion.replaced_by).values(unsettled=True)
        )
    unsettle_replaced(session, lesion_id)
    lesion.state = LesionState.SUPERSEDED
    lesion.replaced_by = None
    lesion.unsettled = False
    lesion.reason = why
    withdraw(session, lesion)


def unsettled(session: Session) -> dict[str, list[int]]:
    """Lesions that are to be compared with their neighbours again, by the study of their CT."""
    rows = session.execute(
        select(Lesion.study_instance_uid, Lesion.id)
        .where(Lesion.unsettled.is_(True), Lesion.study_instance_uid.is_not(None))
        .order_by(Lesion.id)
    )
    found: dict[str, list[int]] = {}
    for study, lesion_id in rows:
        found.setdefault(study, []).append(lesion_id)
    return found


def _is_out(lesion: Lesion) -> bool:
    """Whether a lesion no longer takes part: refused, failed, waiting or gone."""
    gone = lesion.state is LesionState.SUPERSEDED and lesion.replaced_by is None
    return gone or lesion.state not in (*ALIVE, LesionState.SUPERSEDED)


def _stand(lesion: Lesion, mark: LesionMark) -> bool:
    """Let a lesion stand, with these opinions; whether it is to be worked at (again)."""
    again = lesion.state is LesionState.SUPERSEDED or from_json(lesion.mark).key != mark.key
    lesion.replaced_by = None
    lesion.unsettled = False
    if again:
        lesion.mark = to_json(mark)
        lesion.state = LesionState.READY
        lesion.soft_mask_path = None
        lesion.attempts = 0
    if lesion.attempts == 0:  # else it says how the last attempt broke
        lesion.reason = None
    return lesion.state is LesionState.READY
