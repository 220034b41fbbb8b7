"""What all parts of the settings are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
)

AETitle = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]+$"
    ),
]
"""An AE title (PS3.5 6.2, AE): at most 16 characters, no backslash, no control character."""


Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A table of the file: what it does not know is refused, and nothing of it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


RungName = Literal[
    "fractional-seg",
    "binary-seg",
    "band-seg",
    "labelmap-seg",
    "parametric-map",
    "report",
    "ohif-report",
    "iso-contours",
    "secondary-capture",
    "rtstruct",
    "key-object",
]
"""The kinds of result objects, as `dicomnode.results.ladder.LADDER` names them."""


def _as_rungs_take_them(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    if not options:
        return {}
    # The rungs take a while to import; nobody should wait for them who tells them nothing.
    from dicomnode.results.rung_options import read_options

    return read_options(options)


RungOptions = Annotated[dict[RungName, dict[str, Any]], AfterValidator(_as_rungs_take_them)]
"""Fields of the settings of rungs, such as ``{"binary-seg": {"level": 0.4}}``."""
