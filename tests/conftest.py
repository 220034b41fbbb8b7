"""Kernels are compiled before the first test; what one test sets is put back before the next."""

from __future__ import annotations

import logging
import os
import threading

# Where several processes run tests, each is told the width of a terminal that it does not have, and
# a console keeps what it finds first: tests say by themselves how wide theirs is.
os.environ.pop("COLUMNS", None)

import pytest

from dicomnode import logs
from pipelines.readiness import compile_kernels

_LOGGERS = [
    logging.getLogger(name)
    for name in ("dicomnode", "pipelines", "models", "pydicom", "highdicom", "pynetdicom")
]
_LEVELS = [logger.level for logger in _LOGGERS]


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    for logger, level in zip(_LOGGERS, _LEVELS, strict=True):
        logger.setLevel(level)
    hook = threading.excepthook
    yield
    threading.excepthook = hook
    logs._chosen = None


@pytest.fixture(scope="session", autouse=True)
def _kernels_are_compiled():
    # Tests wait seconds for a node's worker; on a fresh machine it would compile for half a minute.
    compile_kernels()
