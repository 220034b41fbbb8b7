"""Taking up, cancelling and discarding jobs from a page or by JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

from dicomnode.jobs.by_hand import BY_HAND, By, Chosen, act
from dicomnode.store.database import Database
from dicomnode.store.states import JobAction

_MOST = 500
_LONGEST = 200


@dataclass(frozen=True)
class Asked:
    """What somebody wants done.

    Attributes
    ----------
    action : JobAction
    lesions, deliveries : tuple of int
        Numbers.
    destination : str or None
        Everything to it that `action` can change.
    why : str
        Kept with the trace.
    """

    action: JobAction
    lesions: tuple[int, ...] = ()
    deliveries: tuple[int, ...] = ()
    destination: str | None = None
    why: str = ""


@dataclass(frozen=True)
class ChangeRow:
    """What became of one row; `why_not` where it was left as it is."""

    kind: str
    subject: str
    before: str
    after: str
    why_not: str


@dataclass(frozen=True)
class Acted:
    """What was done, and what is not there."""

    action: JobAction
    changes: tuple[ChangeRow, ...]
    unknown: tuple[str, ...]


def asked_in_form(body: bytes) -> Asked:
    """Read what a page's form sends. Raises `HTTPException` 400."""
    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=2 * _MOST)
    except ValueError:
        raise HTTPException(400, "the form cannot be read") from None
    return _asked(
        {
            "action": fields.get("action", [""])[-1],
            "lesions": fields.get("lesion", []),
            "deliveries": fields.get("delivery", []),
            "destination": fields.get("destination", [""])[-1] or None,
            "why": fields.get("why", [""])[-1],
        }
    )


def asked_in_json(body: bytes) -> Asked:
    """Read what a program sends. Raises `HTTPException` 400."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is no JSON") from None
    if not isinstance(found, dict):
        raise HTTPException(400, "found no JSON object")
    unknown = sorted({*found} - {"action", "lesions", "deliveries", "destination", "why"})
    if unknown:
        raise HTTPException(400, f"{unknown[0]!r} is not known")
    return _asked(found)


def _asked(found: Mapping[str, Any]) -> Asked:
    action, why = found.get("action"), found.get("why", "")
    if action not in BY_HAND:
        raise HTTPException(400, f"found action {action!r}, expected one of {', '.join(BY_HAND)}")
    if not isinstance(why, str) or len(why) > _LONGEST or not why.isprintable():
        raise HTTPException(400, f"why is no line of up to {_LONGEST} characters")
    destination = found.get("destination")
    if destination is not None and not isinstance(destination, str):
        raise HTTPException(400, "destination is no text")
    lesions = _numbers("lesions", found.get("lesions", []))
    deliveries = _numbers("deliveries", found.get("deliveries", []))
    if not (lesions or deliveries or destination):
        raise HTTPException(400, "nothing is chosen: name lesions, deliveries or a destination")
    return Asked(JobAction(action), lesions, deliveries, destination, why.strip())


def _numbers(name: str, found: Any) -> tuple[int, ...]:
    if not isinstance(found, list) or len(found) > _MOST:
        raise HTTPException(400, f"{name} is no list of up to {_MOST} numbers")
    numbers = []
    for one in found:
        text = str(one) if isinstance(one, int | str) and not isinstance(one, bool) else ""
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise HTTPException(400, f"{name} holds {one!r}, which is no number")
        numbers.append(int(text))
    return tuple(numbers)


def do(database: Database, asked: Asked, user: str) -> Acted:
    """Do it, with its trace, in one transaction; a node that runs takes it up within seconds.

    Parameters
    ----------
    database : Database
    asked : Asked
    user : str
        Who signed in.
    """
    chosen = Chosen(asked.lesions, asked.deliveries, None, asked.destination)
    with database.write() as session:
        changes = act(session, asked.action, chosen, By(f"{user} (web)", asked.why))
    found = {(change.kind, change.subject) for change in changes}
    named = [("lesion", n) for n in asked.lesions] + [("delivery", n) for n in asked.deliveries]
    unknown = tuple(f"{kind} {n}" for kind, n in named if (kind, str(n)) not in found)
    return Acted(
        asked.action,
        tuple(ChangeRow(c.kind, c.subject, c.before, c.after, c.why_not) for c in changes),
        unknown,
    )
