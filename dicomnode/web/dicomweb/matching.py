"""Does an object match what is searched for (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dicomnode.store.uid import is_valid_uid
from dicomnode.web.dicomweb.attributes import name_of, vr_of
from dicomnode.web.dicomweb.problem import Problem, quoted

_WILD = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
_NUMBERS = frozenset(["DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"])
_MOST_TEXT = 1024
_MOST_UIDS = 1000

_DATE = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_MOMENT = re.compile(r"\d{4}(\d{2}){0,5}(\.\d{1,6})?([+-]\d{4})?")


@dataclass(frozen=True)
class Key:
    """One condition of a search.

    Attributes
    ----------
    path : tuple of int
        Tags, of sequences but for the last.
    matches : callable
        Whether one value, as DICOM JSON has it, matches.
    """

    path: tuple[int, ...]
    matches: Callable[[Any], bool]

    def holds(self, model: dict[str, Any]) -> bool:
        """Whether any value of the attribute matches; one without values does not."""
        return any(self.matches(value) for value in _values(model, self.path))


def key_of(path: tuple[int, ...], text: str) -> Key | None:
    """Read a condition; None where every value matches (PS3.4 C.2.2.2.3).

    Raises
    ------
    Problem
        400 where the attribute cannot have such a value.
    """
    if len(text) > _MOST_TEXT * 64:
        raise Problem(400, f"{name_of(path[-1])}: {len(text)} characters are too many")
    if text.strip() in ("", '""') or set(text) == {"*"}:
        return None
    return Key(path, _matcher(path[-1], vr_of(path[-1]), text))


def uids_of(text: str) -> list[str]:
    """UIDs of a list (PS3.4 C.2.2.2.2); by "," or by a backslash.

    Raises
    ------
    Problem
        400.
    """
    uids = [part.strip() for part in re.split(r"[,\\]", text)]
    wrong = next((uid for uid in uids if not is_valid_uid(uid)), None)
    if wrong is not None or len(uids) > _MOST_UIDS:
        found = f"{len(uids)} UIDs" if wrong is None else quoted(wrong)
        raise Problem(400, f"found {found}, expected UIDs by PS3.5 9.1, {_MOST_UIDS} at most")
    return uids


def _values(model: dict[str, Any], path: Sequence[int]) -> Iterator[Any]:
    values = model.get(f"{path[0]:08X}", {}).get("Value", ())
    if len(path) == 1:
        yield from values
        return
    for item in values:
        if isinstance(item, dict):
            yield from _values(item, path[1:])


def _matcher(tag: int, vr: str, text: str) -> Callable[[Any], bool]:
    if vr == "UI":
        wanted = frozenset(uids_of(text))
        return lambda value: value in wanted
    if vr == "DA":
        return _range(tag, text, _DATE, "dates as 20240131")
    if vr == "TM":
        return _range(tag, text, _TIME, "times as 134500")
    if vr == "DT":
        return _range(tag, text, _MOMENT, "moments as 20240131134500")
    if vr in _NUMBERS:
        try:
            number = float(text)
        except ValueError:
            raise _wrong(tag, text, "a number") from None
        return lambda value: _number(value) == number
    if vr in _WILD:
        return _text_matcher(tag, vr, text)
    if vr == "AS":
        return lambda value: value == text
    raise Problem(400, f"{name_of(tag)} is nothing that is searched by")


def _text_matcher(tag: int, vr: str, text: str) -> Callable[[Any], bool]:
    # A code holds neither comma nor backslash: viewers list modalities with them.
    texts = [part.strip() for part in re.split(r"[,\\]", text)] if vr == "CS" else [text]
    if any(len(one) > _MOST_TEXT for one in texts):
        raise _wrong(tag, text, f"{_MOST_TEXT} characters at most")
    if vr != "PN":
        return _any_of([_pattern(one.strip(" "), re.NOFLAG) for one in texts])
    pattern = _pattern(_name(text), re.IGNORECASE)

    def named(value: Any) -> bool:
        groups = value.values() if isinstance(value, dict) else ()
        return any(isinstance(one, str) and pattern(_name(one)) for one in groups)

    return named


def _any_of(patterns: list[Callable[[str], bool]]) -> Callable[[Any], bool]:
    return lambda value: any(pattern(str(value).strip(" ")) for pattern in patterns)


def _pattern(text: str, flags: re.RegexFlag) -> Callable[[str], bool]:
    """Match with "*" and "?" (PS3.4 C.2.2.2.4), in time that grows with the lengths alone."""
    parts = re.split(r"\*+", text)
    if len(parts) == 1:
        whole = re.compile(_one_by_one(text), flags | re.DOTALL)
        return lambda value: whole.fullmatch(value) is not None
    first, *middle, last = (re.compile(_one_by_one(part), flags | re.DOTALL) for part in parts)
    tail = len(parts[-1])

    def matches(value: str) -> bool:
        # What lies between stars is found at the first place that it fits: no way back is needed.
        at = first.match(value)
        if at is None:
            return False
        place = at.end()
        for part in middle:
            found = part.search(value, place)
            if found is None:
                return False
            place = found.end()
        return len(value) - tail >= place and last.fullmatch(value, len(value) - tail) is not None

    return matches


def _one_by_one(text: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in text)


def _name(text: str) -> str:
    """A name without the separators of components that are not there (PS3.5 6.2.1)."""
    return text.strip().rstrip("^ ")


def _range(tag: int, text: str, form: re.Pattern[str], expected: str) -> Callable[[Any], bool]:
    """Match a value, or a range with one end open or none (PS3.4 C.2.2.2.5)."""
    text = text.strip()
    if form.fullmatch(text):
        return lambda value: str(value).strip().startswith(text)
    low, dash, high = text.partition("-")
    low, high = low.strip(), high.strip()
    ends = [end for end in (low, high) if end]
    if not dash or not ends or not all(form.fullmatch(end) for end in ends):
        raise _wrong(tag, text, f"{expected}, or two with '-' between")

    def within(value: Any) -> bool:
        found = str(value).strip()
        # An end is as exact as it is written: 13 ends with 135959.
        return low <= found and (not high or found[: len(high)] <= high)

    return within


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _wrong(tag: int, text: str, expected: str) -> Problem:
    return Problem(400, f"{name_of(tag)}: found {quoted(text)}, expected {expected}")
