"""What one test sets for the whole process is put back before the next."""

from __future__ import annotations

import logging

import pytest

_LOGGERS = [
    logging.getLogger(name)
    for name in ("dicomnode", "pipelines", "models", "pydicom", "highdicom", "pynetdicom")
]
_LEVELS = [logger.level for logger in _LOGGERS]


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    for logger, level in zip(_LOGGERS, _LEVELS, strict=True):
        logger.setLevel(level)
