"""The configuration file, read; what is wrong in it is told with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dicomnode.settings.node import OF_KINDS, NodeSettings
from dicomnode.settings.peers import KINDS
from dicomnode.toml_lines import line_of


class SettingsError(ValueError):
    """The configuration cannot be used; the text names the file, the line and the reason."""


def load_settings(path: Path) -> NodeSettings:
    """Read and validate a configuration file.

    Raises
    ------
    SettingsError
        With the file, the line and the reason of everything that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    try:
        return NodeSettings(**data)
    except ValidationError as error:
        problems = [_describe(problem, text) for problem in error.errors()]
        raise SettingsError("\n".join(f"{path}:{problem}" for problem in problems)) from None


def _describe(problem: Any, text: str) -> str:
    # The kind of a source or destination is no key of the file, though pydantic names it as one.
    location = tuple(
        part
        for depth, part in enumerate(problem["loc"])
        if not (depth == 2 and part in KINDS and problem["loc"][0] in OF_KINDS) and part != "[key]"
    )
    where = ".".join(str(part) for part in location) or "settings"
    line = line_of(location, text)
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{line or 1}: {where}: {reason}"
