"""Conditions on any attribute, combined by all, any and not: data that no interpreter runs."""

from __future__ import annotations

import math
import re
from functools import cached_property
from typing import Annotated, Any, Protocol

import pydicom.uid
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dicomnode.routing.attributes import Attribute, Found, attribute_named
from dicomnode.routing.verdicts import Judged, Verdict, all_of, any_of, not_of
from dicomnode.routing.wildcard import Patterns, fits, fold

MAX_CLAUSES = 200
"""Conditions of one rule."""

MAX_NESTED = 8
"""Conditions within conditions."""

OPERATORS = ("equals", "one_of", "matches", "range", "exists")
_COMBINATIONS = ("all", "any", "not")
_PRIORITIES = ("low", "medium", "high")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("found true or false, expected text or a number")
    return value


def _is_said(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("found an empty text; for an attribute without a value say exists = false")
    return value


Scalar = Annotated[int | float | str, BeforeValidator(_is_said), BeforeValidator(_no_truth)]
"""Text is compared as text, case ignored; a number with what can be read as one."""


class Facts(Protocol):
    """What conditions are asked about."""

    def find(self, attribute: Attribute) -> Found | None:
        """What is there of an attribute; None where that is not known."""


class Condition(BaseModel):
    """One clause on an attribute, or conditions within ``all``, ``any`` or ``not``.

    Of an attribute with several values, or in a sequence with several items, any value that fits
    is enough. An attribute that is absent or empty has no value, so only ``exists = false`` holds,
    and ``not`` of the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    all: tuple[Condition, ...] | None = Field(None, min_length=1)
    any: tuple[Condition, ...] | None = Field(None, min_length=1)
    not_: Condition | None = Field(None, alias="not")
    attribute: str | None = None
    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = Field(None, min_length=1)
    matches: Patterns | None = None
    range: tuple[int | float | str, int | float | str] | None = None
    exists: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_one_thing(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        stated = [key for key in (*_COMBINATIONS, "attribute") if key in given]
        if len(stated) != 1:
            raise ValueError(
                f"found {' and '.join(stated) or 'none of them'}, expected one of "
                "attribute, all, any, not"
            )
        operators = [name for name in OPERATORS if name in given]
        if stated != ["attribute"]:
            if operators:
                raise ValueError(f"{operators[0]} needs an attribute")
            return given
        if len(operators) != 1:
            raise ValueError(
                f"found {' and '.join(operators) or 'no operator'}, expected one of "
                f"{', '.join(OPERATORS)}"
            )
        if isinstance(given["attribute"], str):
            return _checked(given, operators[0])
        return given

    @property
    def clauses(self) -> int:
        """How many conditions it holds, itself counted."""
        return 1 + sum(part.clauses for part in self._parts)

    @property
    def nested(self) -> int:
        """How deep conditions lie within it."""
        return 1 + max((part.nested for part in self._parts), default=0)

    @property
    def _parts(self) -> tuple[Condition, ...]:
        return self.all or self.any or (() if self.not_ is None else (self.not_,))

    def judge(self, facts: Facts) -> Judged:
        """Say whether it holds, and why."""
        if self.all is not None:
            return all_of(tuple(part.judge(facts) for part in self.all))
        if self.any is not None:
            return any_of(tuple(part.judge(facts) for part in self.any))
        if self.not_ is not None:
            return not_of(self.not_.judge(facts))
        attribute = self.named
        found = facts.find(attribute)
        if found is None:
            return Judged(self.words, Verdict.UNKNOWN, "it is not known")
        verdict = Verdict.HOLDS if self._holds(attribute, found) else Verdict.FAILS
        return Judged(self.words, verdict, _found_in_words(attribute, found))

    @cached_property
    def named(self) -> Attribute:
        """The attribute of a clause."""
        assert self.attribute is not None
        return attribute_named(self.attribute)

    @property
    def words(self) -> str:
        """A clause in words, without what it compares with where that may tell of a patient."""
        if self.exists is not None:
            return f"{self.attribute} {'exists' if self.exists else 'does not exist'}"
        name, operand = next(
            (name, getattr(self, name)) for name in OPERATORS if getattr(self, name) is not None
        )
        words = name.replace("_", " ")
        if not self.named.may_be_shown:
            return f"{self.attribute} {words} (not shown)"
        if name == "range":
            low, high = operand
            return f"{self.attribute} from {low} to {high}"
        many = operand if isinstance(operand, tuple) else (operand,)
        return f"{self.attribute} {words} {', '.join(map(repr, many))}"

    def _holds(self, attribute: Attribute, found: Found) -> bool:
        if self.exists is not None:
            return self.exists is found.present
        if self.range is not None:
            low, high = self.range
            if attribute.text == "time":
                return any(_in_clock(value, str(low), str(high)) for value in found.values)
            return any(_between(value, float(low), float(high)) for value in found.values)
        if self.matches is not None:
            return any(fits(value, one) for value in found.values for one in self.matches)
        wanted = (self.equals,) if self.one_of is None else self.one_of
        return any(_same(value, one) for value in found.values for one in wanted)


def _checked(given: dict[str, Any], operator: str) -> dict[str, Any]:
    """Refuse what an attribute cannot be asked; SOP class keywords become their UIDs."""
    attribute = attribute_named(given["attribute"])
    operand = given[operator]
    if operator == "range":
        _check_range(attribute, operand)
    elif attribute.text == "time":
        raise ValueError(f"time: found {operator}, expected range")
    if attribute.text == "priority":
        named = operand if isinstance(operand, list | tuple) else [operand]
        if operator not in ("equals", "one_of") or not set(map(str, named)) <= set(_PRIORITIES):
            raise ValueError(f"priority: expected equals or one_of, of {', '.join(_PRIORITIES)}")
    if operator != "exists" and attribute.path and attribute.vr == "SQ":
        raise ValueError(f"{attribute.text} is a sequence: name an attribute in it, or say exists")
    if operator in ("equals", "one_of", "matches") and (
        attribute.text == "mark_sop_class" or attribute.vr == "UI"
    ):
        many = isinstance(operand, list | tuple)
        named = tuple(map(_uid, operand)) if many else _uid(operand)
        return {**given, operator: named}
    return given


def _check_range(attribute: Attribute, operand: object) -> None:
    if not isinstance(operand, list | tuple) or len(operand) != 2:
        raise ValueError("range: expected two values, the lowest and the highest")
    if attribute.text == "time":
        if not all(isinstance(one, str) and _CLOCK.fullmatch(one) for one in operand):
            raise ValueError('time: expected a range such as ["22:00", "06:00"]')
        return
    numbers = [one for one in operand if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != 2 or any(map(math.isnan, numbers)) or numbers[0] > numbers[1]:
        raise ValueError("range: expected two numbers, the lower one first; -inf and inf are taken")


def _uid(value: object) -> object:
    """The UID of a keyword such as ``ComprehensiveSRStorage``."""
    found = getattr(pydicom.uid, value, None) if isinstance(value, str) else None
    return str(found) if isinstance(found, pydicom.uid.UID) else value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same(value: str, wanted: int | float | str) -> bool:
    if isinstance(wanted, str):
        return fold(value.strip()) == fold(wanted.strip())
    return _number(value) == wanted


def _between(value: str, low: float, high: float) -> bool:
    number = _number(value)
    return number is not None and low <= number <= high


def _in_clock(value: str, start: str, end: str) -> bool:
    """From the start, before the end; a range that ends before it starts goes over midnight."""
    return start <= value < end if start <= end else value >= start or value < end


def _found_in_words(attribute: Attribute, found: Found) -> str:
    if not found.present:
        return "it has no value"
    if not attribute.may_be_shown:
        return "it has a value, which is not shown"
    if not found.values:
        return "it is there"
    shown = ", ".join(repr(value[:64]) for value in found.values[:8])
    more = len(found.values) - 8
    return f"found {shown}" + (f" and {more} more" if more > 0 else "")
