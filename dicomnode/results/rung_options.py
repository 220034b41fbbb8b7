"""What an administrator can tell a rung, and what of its settings decides an object's UIDs.

An option is a field of the rung's settings, so that a new field is an option at once: it can be
told for each destination, and it goes into the UIDs of what it changes.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, get_type_hints

from highdicom.sr import CodedConcept
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
)
from pydantic import model_validator as validates_whole

_OURS = frozenset({"series_numbers", "transfer_syntax_uid", "algorithm_family", "title"})
"""Fields that are not the administrator's of one destination: numbers are those of ``[publish]``,
the transfer syntax is chosen when an object is sent, and the codes say what the software does."""

_NOT_IN_UIDS = frozenset({"series_numbers", "transfer_syntax_uid"})
"""Where an object is listed, and how it is encoded without loss: it stays the same instance."""

_LONGEST_METHOD = 20
"""Characters that the name of a method may take in a description."""


def options_in_uids(settings: Any) -> tuple[str, ...]:
    """Name and value of each setting that is not the default, as parts of a UID.

    Parameters
    ----------
    settings : dataclass instance
        Of a rung, with a default for each field.

    Returns
    -------
    tuple of str
        In the order of the fields. Settings that differ give other texts, equal ones the same.
    """
    default = type(settings)()
    return tuple(
        f"{field.name}={_text(getattr(settings, field.name))}"
        for field in fields(settings)
        if field.name not in _NOT_IN_UIDS
        and _text(getattr(settings, field.name)) != _text(getattr(default, field.name))
    )


def _text(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return [[field.name, _plain(getattr(value, field.name))] for field in fields(value)]
    if isinstance(value, CodedConcept):
        return [value.scheme_designator, value.value, value.meaning]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return float(value)  # 1 and 1.0 are one setting


def read_options(told: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Check what a destination is told of its rungs, and give it in the types of their settings.

    Parameters
    ----------
    told : dict
        By the name of the rung, then by that of the field, as from TOML.

    Returns
    -------
    dict
        The same keys; the values are hashable.

    Raises
    ------
    pydantic.ValidationError
        With the place of each option that the rung does not know or cannot take.
    """
    checked = _all_rungs().model_validate(told)
    return {rung: getattr(checked, _attribute(rung)).told() for rung in told}


class _Options(BaseModel):
    """Of one rung: the fields of its settings that can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    settings_type: ClassVar[type]

    def told(self) -> dict[str, Any]:
        """What was told, in the order of the fields."""
        names = (name for name in type(self).model_fields if name in self.model_fields_set)
        return {name: getattr(self, name) for name in names}

    @validates_whole(mode="after")
    def _make_settings(self) -> _Options:
        type(self).settings_type(**self.told())
        return self


def _says_research(text: str) -> str:
    """A series description is what a viewer lists; it is shown alone."""
    if "research" not in text.lower():
        raise ValueError(f"found {text!r}, expected a description that says RESEARCH")
    return text


def _names_no_method(text: str) -> str:
    if "{" in text or "}" in text:
        raise ValueError(f"found {text!r}, expected no braces: there is no {{method}} of a series")
    return text


def _fits_with_method(text: str) -> str:
    rest = text.replace("{method}", "")
    if "{" in rest or "}" in rest:
        raise ValueError(f"found {text!r}, expected no braces but those of {{method}}")
    if len(rest) + (_LONGEST_METHOD if rest != text else 0) > 64:
        raise ValueError(
            f"found {len(rest)} characters beside {{method}}, expected at most "
            f"{64 - _LONGEST_METHOD}"
        )
    return text


def _long_string(longest: int) -> StringConstraints:
    """LO (PS3.5 6.2): no backslash, no control character."""
    return StringConstraints(
        strip_whitespace=True, min_length=1, max_length=longest, pattern=r"^[^\\\x00-\x1f\x7f]+$"
    )


_DESCRIPTIONS = {
    "lesion": Annotated[
        str, _long_string(72), AfterValidator(_fits_with_method), AfterValidator(_says_research)
    ],
    "series": Annotated[
        str, _long_string(64), AfterValidator(_names_no_method), AfterValidator(_says_research)
    ],
}
_SEGMENT_LABEL = Annotated[str, _long_string(24)]
"""What is told of alpha, and of the quantity, follows it within 64 characters."""


@lru_cache(maxsize=1)
def _all_rungs() -> type[BaseModel]:
    from dicomnode.results.ladder import LADDER  # the rungs need this file for their UIDs

    of_rungs: dict[str, Any] = {}
    for rung in LADDER.values():
        hints = get_type_hints(rung.settings)
        hints |= {"series_description": _DESCRIPTIONS[rung.of], "segment_label": _SEGMENT_LABEL}
        named = [field.name for field in fields(rung.settings) if field.name not in _OURS]
        default = rung.settings()
        model = create_model(
            rung.name,
            __base__=_Options,
            **{name: (hints[name], getattr(default, name)) for name in named},
        )
        model.settings_type = rung.settings
        of_rungs[_attribute(rung.name)] = (model | None, Field(None, alias=rung.name))
    return create_model("options", __config__=ConfigDict(extra="forbid", frozen=True), **of_rungs)


def _attribute(rung: str) -> str:
    return rung.replace("-", "_")
