"""The configuration as it was loaded, without what is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from dicomnode.settings import NodeSettings

HIDDEN = "(not shown)"
_SECRET = re.compile(r"password|secret|token|credential|authori[sz]ation|api_?key", re.IGNORECASE)
_NO_SECRET = re.compile(r"_(file|header)$")
"""Where a secret lies, and under which name it is sent, is none."""


@dataclass(frozen=True)
class Setting:
    """One setting: its name, with the tables that it is in, and its value."""

    name: str
    value: Any


@dataclass(frozen=True)
class Configuration:
    """All settings, also those that the file leaves out."""

    settings: tuple[Setting, ...]


def shown_configuration(settings: NodeSettings) -> Configuration:
    """Give every setting that may be seen.

    Not shown are values of headers, of whatever is named as a secret, passwords and queries in
    addresses, and all of a webhook's address but its host, since many hold their key in the path.

    Parameters
    ----------
    settings : NodeSettings
    """
    return Configuration(tuple(_settings(settings.model_dump(mode="json"), ())))


def _settings(value: Any, name: tuple[str, ...]) -> Iterator[Setting]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _settings(below, (*name, str(key)))
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        for number, below in enumerate(value):
            yield from _settings(below, (*name, str(number)))
    else:
        yield Setting(".".join(name), _seen(value, name))


def _seen(value: Any, name: tuple[str, ...]) -> Any:
    key = name[-1]
    if value is None or value == [] or value == {}:
        return value
    if "headers" in name[:-1] or (_SECRET.search(key) and not _NO_SECRET.search(key)):
        return HIDDEN
    if isinstance(value, str) and "://" in value:
        return shown_address(value, whole="webhook" not in name)
    return value


def shown_address(found: str, whole: bool = True) -> str:
    """An address without its user, password and query; with `whole` False without its path too."""
    try:
        parts = urlsplit(found)
    except ValueError:
        return HIDDEN
    _, at, host = parts.netloc.rpartition("@")
    netloc = f"{HIDDEN}@{host}" if at else parts.netloc
    if not whole:
        return f"{parts.scheme}://{netloc}/{HIDDEN}"
    query = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{netloc}{parts.path}{query}"
