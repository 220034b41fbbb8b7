"""Declarative rules: attributes of a mark and its CT choose a method and destinations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Annotated, Any

import pydicom.uid
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from pipelines.parameters import DEFAULT_METHOD, complete_parameters, known_methods


@dataclass(frozen=True)
class Candidate:
    """What rules look at: how the mark came, and the CT series that it was drawn on.

    None is what is not known, of a mark whose CT never came.
    """

    calling_ae: str
    called_ae: str
    mark_sop_class: str
    modality: str | None
    body_part: str | None
    study_description: str | None
    series_description: str | None


def _as_patterns(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Patterns = Annotated[tuple[str, ...], BeforeValidator(_as_patterns)]
"""One pattern or a list of them; ``*`` and ``?`` as in PS3.4 C.2.2.2.4, case ignored."""


class Match(BaseModel):
    """Conditions that must all hold; an absent one always does.

    Each takes one pattern or a list, of which one must fit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    calling_ae: Patterns | None = None
    called_ae: Patterns | None = None
    mark_sop_class: Patterns | None = None
    modality: Patterns | None = None
    body_part: Patterns | None = None
    study_description: Patterns | None = None
    series_description: Patterns | None = None

    @field_validator("mark_sop_class")
    @classmethod
    def _names_a_sop_class(cls, patterns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if patterns is None:
            return None
        return tuple(_sop_class_uid(pattern) for pattern in patterns)

    def mismatch(self, candidate: Candidate) -> str | None:
        """Say which condition does not hold, or None when all do.

        One on what is not known counts as holding; `undecided` names it.
        """
        for name in _CONDITIONS:
            patterns = getattr(self, name)
            value = getattr(candidate, name)
            if patterns is None or value is None:
                continue
            if not any(fits(value, pattern) for pattern in patterns):
                return f"{name} {value!r} is none of {', '.join(map(repr, patterns))}"
        return None

    def undecided(self, candidate: Candidate) -> tuple[str, ...]:
        """Names of the conditions on what is not known of a candidate."""
        return tuple(
            name
            for name in _CONDITIONS
            if getattr(self, name) is not None and getattr(candidate, name) is None
        )


_CONDITIONS = tuple(field.name for field in fields(Candidate))


class Rule(BaseModel):
    """If the conditions hold: this method, with these parameters, to these destinations.

    `include_anatomy` takes regions and segments that say they are an organ or the body as well.
    `allow_other_patient_id` takes marks in objects whose Patient ID is not that of the CT.
    `report_refusals` sends a report to the destinations that says which marks were not processed,
    and why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    match: Match = Match()
    method: str = DEFAULT_METHOD
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)
    destinations: tuple[str, ...] = ()
    include_anatomy: bool = False
    allow_other_patient_id: bool = False
    report_refusals: bool = False

    @field_validator("method")
    @classmethod
    def _method_exists(cls, method: str) -> str:
        if method not in known_methods():
            raise ValueError(f"no method {method!r}; known are {', '.join(known_methods())}")
        return method

    @field_validator("parameters")
    @classmethod
    def _parameters_exist(
        cls, parameters: dict[str, float | int | str | bool]
    ) -> dict[str, float | int | str | bool]:
        complete_parameters(parameters)
        return parameters


NO_RULE = "no rule is configured"
NO_MATCH = "no rule matches: "


def first_match(rules: Sequence[Rule], candidate: Candidate) -> tuple[Rule | None, str]:
    """Choose the first rule whose conditions hold.

    Returns
    -------
    rule : Rule or None
        None where no rule fits.
    reason : str
        Why, in words that an administrator can act on.
    """
    reasons = []
    for rule in rules:
        mismatch = rule.match.mismatch(candidate)
        if mismatch is None:
            return rule, f"rule {rule.name!r} matches"
        reasons.append(f"{rule.name!r}: {mismatch}")
    if not rules:
        return None, NO_RULE
    return None, NO_MATCH + "; ".join(reasons)


def found_no_rule(reason: str) -> bool:
    """Whether a mark was refused because no rule fits, by the reason that `first_match` gave."""
    return reason.startswith((NO_RULE, NO_MATCH))


def _sop_class_uid(text: str) -> str:
    """Turn a SOP class keyword such as ``Comprehensive3DSRStorage`` into its UID."""
    uid = getattr(pydicom.uid, text, None)
    if isinstance(uid, pydicom.uid.UID):
        return str(uid)
    if re.fullmatch(r"[0-9.*?]+", text):
        return text
    raise ValueError(f"{text!r} is neither a SOP class keyword nor a UID")


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.IGNORECASE | re.S)


def fits(value: str, pattern: str) -> bool:
    """Whether a value fits a pattern of `Patterns`."""
    return _expression(pattern).fullmatch(value.strip()) is not None
