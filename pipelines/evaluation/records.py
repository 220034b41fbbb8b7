"""Scores kept in a folder, so that no case is scored twice.

A record holds the digest of all that decided it: code, weights, case and configuration. Where one
of these changes, the case is scored anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from models import REGISTRY, weights_digest
from models.loading import weights_of
from pipelines.networks.options import NetworkOptions

_FORMAT = 3
"""Rises when what is scored, or how, changes in `pipelines.evaluation`."""

_ROOT = Path(__file__).parents[2]
_NO_PART = ("pipelines/evaluation/", "pipelines/training/")
"""Sources that decide no mask."""

Score = TypeVar("Score")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """First 16 digits of the SHA-256 of all sources that a mask may depend on."""
    digest = hashlib.sha256()
    for package in ("models", "pipelines"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            name = path.relative_to(_ROOT).as_posix()
            if not name.startswith(_NO_PART):
                digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def digest_of(method: str, networks: NetworkOptions, *settings: object) -> str:
    """Of the code, a method's weights, and whatever else decides a record."""
    weights = ""
    if method in REGISTRY and weights_of(method, networks.weights) is not None:
        weights = weights_digest(method, networks.weights) + networks.device
    told = json.dumps([_FORMAT, code_digest(), method, weights, *map(str, settings)])
    return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True)
class Records(Generic[Score]):
    """The scores of one kind, a folder a case, a file a method.

    Attributes
    ----------
    folder : Path
    kind : type
        The dataclass of a score.
    """

    folder: Path
    kind: type[Score]

    def path(self, case: str, method: str) -> Path:
        """Of one record."""
        return self.folder / case.replace("/", "_") / f"{method}.json"

    def read(self, case: str, method: str, digest: str) -> Score | None:
        """A score, or None where there is none that this digest made."""
        try:
            found = json.loads(self.path(case, method).read_bytes())
            if found["digest"] != digest:
                return None
            return TypeAdapter(self.kind).validate_python(found["score"])
        except (FileNotFoundError, ValueError, KeyError, TypeError, ValidationError):
            return None

    def write(self, case: str, method: str, digest: str, score: Score) -> None:
        """Keep a score: whole or not at all, also if the power fails."""
        path = self.path(case, method)
        path.parent.mkdir(parents=True, exist_ok=True)
        told = TypeAdapter(self.kind).dump_python(score, mode="json")
        partial = path.with_name(path.name + ".partial")
        with open(partial, "w", encoding="utf-8") as file:
            json.dump({"digest": digest, "score": told}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
