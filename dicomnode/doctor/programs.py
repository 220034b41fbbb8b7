"""Devices, weights, and the versions of programs and libraries."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.settings import NodeSettings
from dicomnode.version import DISTRIBUTION, VERSION
from models import REGISTRY, problem_of
from models.loading import weights_digest, weights_of
from pipelines.networks.options import DeviceError, place_of

_OLDEST_PYTHON = (3, 11)
_OLDEST_SQLITE = (3, 35, 0)
_NAMED = ("pydicom", "pynetdicom", "highdicom", "SQLAlchemy", "numpy", "numba")
"""Libraries whose versions a report of a fault should name."""


def look_at_networks(settings: NodeSettings) -> Iterator[Finding]:
    """The weights of networks that rules name, and the device."""
    named = sorted({rule.method for rule in settings.rules} & set(REGISTRY))
    if not named:
        yield passed("networks", "no rule names one")
        return
    options = settings.networks.options
    for name in named:
        problem = problem_of(name, options.weights)
        if problem is not None:
            yield failed(f"weights {name}", problem, "`dicomnode networks` lists what is there.")
        else:
            digest, path = weights_digest(name, options.weights), weights_of(name, options.weights)
            yield passed(f"weights {name}", f"{path}, {digest}")
    yield _device(settings)


def _device(settings: NodeSettings) -> Finding:
    options = settings.networks.options
    if options.device != "cpu" and find_spec("torch") is None:
        return failed("device", "PyTorch is not installed", "pip install 'softmask-node[networks]'")
    try:
        place = place_of(options)
    except DeviceError as error:
        return failed("device", str(error), 'Set [networks] device = "auto", or mend the driver.')
    words = f"networks run on {place.device}, {place.precision}"
    if options.device == "auto" and place.device == "cpu":
        return warned(
            "device",
            words + ": no CUDA device was found",
            'For a GPU: its driver, and PrivateDevices=no in the unit. Else set device = "cpu".',
        )
    return passed("device", words)


def look_at_versions() -> Iterator[Finding]:
    """Python, SQLite, and all that the package requires."""
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST_PYTHON:
        yield failed("python", f"found {python}, expected 3.11 or newer", "Install a newer one.")
    else:
        yield passed("python", f"{python} on {platform.platform()}")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        yield warned(
            "sqlite", f"found {sqlite3.sqlite_version}, expected 3.35 or newer", "Upgrade it."
        )
    else:
        yield passed("sqlite", sqlite3.sqlite_version)
    yield from _libraries()


def _libraries() -> Iterator[Finding]:
    try:
        wanted = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        yield warned(
            "libraries", "the package is not installed: nothing says what it needs", "Install it."
        )
        return
    wrong = False
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = _version_of(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            wrong = True
            yield failed(
                f"library {requirement.name}",
                f"found {found or 'none'}, expected {requirement.specifier}",
                f"pip install '{requirement.name}{requirement.specifier}'",
            )
    if not wrong:
        versions = ", ".join(f"{name} {_version_of(name)}" for name in _NAMED)
        yield passed("libraries", f"{DISTRIBUTION} {VERSION}: all as required ({versions})")


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
