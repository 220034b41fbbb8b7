"""Declarative rules: attributes of a mark and its CT choose a method and destinations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pydicom.uid
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dicomnode.routing.attributes import Attribute, Found, ObjectHeader
from dicomnode.routing.conditions import MAX_CLAUSES, MAX_NESTED, Condition
from dicomnode.routing.verdicts import Judged, Verdict, all_of
from dicomnode.routing.wildcard import Patterns, fits
from pipelines.parameters import DEFAULT_METHOD, complete_parameters, known_methods


@dataclass(frozen=True)
class Candidate:
    """What rules look at: how the mark came, and the CT series that it was drawn on.

    None is what is not known, of a mark whose CT never came, or of CT without a mark.

    Attributes
    ----------
    priority : str or None
        Of the C-STORE that brought the mark (PS3.7 9.1.1.1.5): "low", "medium", "high"; empty
        where it came another way.
    received_at : float or None
        When the mark's object came, in seconds since 1970.
    mark : ObjectHeader or None
        The object that brought the mark.
    ct : ObjectHeader or None
        The CT image that it was drawn on.
    """

    calling_ae: str | None
    called_ae: str | None
    mark_sop_class: str | None
    modality: str | None
    body_part: str | None
    study_description: str | None
    series_description: str | None
    priority: str | None = None
    received_at: float | None = None
    mark: ObjectHeader | None = None
    ct: ObjectHeader | None = None

    def find(self, attribute: Attribute) -> Found | None:
        """What is there of an attribute; None where that is not known.

        Raises
        ------
        OSError
            If the object cannot be read.
        """
        if attribute.whose != "node":
            header = self.mark if attribute.whose == "mark" else self.ct
            return None if header is None else header.find(attribute)
        if attribute.text == "time":
            if self.received_at is None:
                return None
            value = datetime.fromtimestamp(self.received_at).strftime("%H:%M")
        else:
            value = getattr(self, attribute.text)
        return None if value is None else Found((value,) if value else (), bool(value))


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

    def judge(self, candidate: Candidate) -> Judged:
        """Say of each condition whether it holds; one on what is not known is not known to."""
        parts = []
        for name in _CONDITIONS:
            patterns, value = getattr(self, name), getattr(candidate, name)
            if patterns is None:
                continue
            clause = f"{name} is one of {', '.join(map(repr, patterns))}"
            if value is None:
                parts.append(Judged(clause, Verdict.UNKNOWN, "it is not known"))
                continue
            held = any(fits(value, pattern) for pattern in patterns)
            verdict = Verdict.HOLDS if held else Verdict.FAILS
            parts.append(Judged(clause, verdict, f"found {value!r}"))
        return all_of(tuple(parts))

    def undecided(self, candidate: Candidate) -> tuple[str, ...]:
        """Names of the conditions on what is not known of a candidate."""
        return tuple(
            name
            for name in _CONDITIONS
            if getattr(self, name) is not None and getattr(candidate, name) is None
        )


_CONDITIONS = tuple(Match.model_fields)


class Rule(BaseModel):
    """If the conditions hold: this method, with these parameters, to these destinations.

    `include_anatomy` takes regions and segments that say they are an organ or the body as well.
    `allow_other_patient_id` takes marks in objects whose Patient ID is not that of the CT.
    `report_refusals` sends a report to the destinations that says which marks were not processed,
    and why. `profile` or `results` says which objects the destinations get, in place of what they
    say themselves. With `dry_run` a mark is segmented and nothing is sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    match: Match = Match()
    when: Condition | None = None
    method: str = DEFAULT_METHOD
    parameters: dict[str, float | int | str | bool] = Field(default_factory=dict)
    destinations: tuple[str, ...] = ()
    profile: str | None = None
    results: tuple[str, ...] | None = Field(None, min_length=1)
    dry_run: bool = False
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

    @field_validator("when")
    @classmethod
    def _is_bounded(cls, when: Condition | None) -> Condition | None:
        if when is not None and when.clauses > MAX_CLAUSES:
            raise ValueError(f"found {when.clauses} conditions, expected at most {MAX_CLAUSES}")
        if when is not None and when.nested > MAX_NESTED:
            raise ValueError(f"found {when.nested} within one another, expected {MAX_NESTED}")
        return when

    @model_validator(mode="after")
    def _says_results_once(self) -> Rule:
        if self.profile is not None and self.results is not None:
            raise ValueError("found profile and results, expected one of them")
        return self

    @property
    def sends_refusals(self) -> bool:
        """Whether refused marks are reported; never of a dry run, which sends nothing."""
        return self.report_refusals and not self.dry_run

    def judge(self, candidate: Candidate) -> Judged:
        """Say of each condition whether it holds."""
        match = self.match.judge(candidate).parts
        when = () if self.when is None else (self.when.judge(candidate),)
        return all_of((*match, *when))

    def undecided(self, candidate: Candidate) -> tuple[str, ...]:
        """What is not known of a candidate, and decides whether the rule fits."""
        when = () if self.when is None else self.when.judge(candidate).unknown
        return (*self.match.undecided(candidate), *when)


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
        judged = rule.judge(candidate)
        if judged.verdict is not Verdict.FAILS:  # what is not known counts as holding
            return rule, f"rule {rule.name!r} matches"
        reasons.append(f"{rule.name!r}: {judged.failing}")
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
