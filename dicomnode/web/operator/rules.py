"""Rules: those in force, and which of them fired."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.rule_reload import RulesStatus
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from pipelines.parameters import DEFAULT_METHOD


@dataclass(frozen=True)
class RuleRow:
    """One rule, in the order in which they are asked. Times are seconds since 1970.

    Attributes
    ----------
    rule : dict or None
        As the configuration says it; None where it is no longer in force.
    method : str or None
        Also where the rule says none, and goes by the default.
    """

    name: str
    in_force: bool
    rule: dict[str, Any] | None
    method: str | None
    destinations: tuple[str, ...]
    lesions: int
    states: dict[LesionState, int]
    fired_at: float | None


@dataclass(frozen=True)
class Rules:
    """The rules that the running node goes by, and how its last reload went."""

    configuration: str | None
    loaded_at: float | None
    problem: str | None
    tried_at: float | None
    restart_for: tuple[str, ...]
    rows: tuple[RuleRow, ...]


def list_rules(session: Session, store: Path) -> Rules:
    """Read what the node that owns the store says of its rules, and what came of each.

    Parameters
    ----------
    session : Session
    store : Path
        The store's folder.
    """
    status = RulesStatus.read(store)
    fired: dict[str, tuple[dict[LesionState, int], float]] = {}
    for name, state, count, newest in session.execute(
        select(Lesion.rule, Lesion.state, func.count(), func.max(Lesion.waiting_since))
        .where(Lesion.rule.is_not(None))
        .group_by(Lesion.rule, Lesion.state)
    ):
        states, last = fired.get(name, ({}, 0.0))
        fired[name] = ({**states, state: count}, max(last, newest))
    said = () if status is None else status.rules
    names = [rule["name"] for rule in said]
    rules = dict(zip(names, said, strict=True))
    rows = []
    for name in [*names, *sorted({*fired} - {*names})]:
        states, newest = fired.get(name, ({}, None))
        rule = rules.get(name)
        rows.append(
            RuleRow(
                name,
                rule is not None,
                rule,
                None if rule is None else rule.get("method", DEFAULT_METHOD),
                () if rule is None else tuple(rule.get("destinations", ())),
                sum(states.values()),
                states,
                newest,
            )
        )
    if status is None:
        return Rules(None, None, None, None, (), tuple(rows))
    return Rules(
        status.configuration,
        status.loaded_at,
        status.problem,
        status.tried_at,
        status.restart_for,
        tuple(rows),
    )
