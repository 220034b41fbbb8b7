"""Settings from a TOML file, and what is wrong with it in one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

Settings = TypeVar("Settings", bound=BaseModel)


def read_toml_settings(path: Path, kind: type[Settings], problem: type[ValueError]) -> Settings:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
    kind : type
        Of the settings.
    problem : type
        Of the error.

    Raises
    ------
    problem
        If it is no TOML, or says what cannot be.
    """
    try:
        with open(path, "rb") as file:
            return kind.model_validate(tomllib.load(file))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise problem(f"{path}: {error}") from error
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'file'}: {one['msg']}"
            for one in error.errors()
        )
        raise problem(f"{path}: {found}") from error
