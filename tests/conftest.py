"""What one test sets for the whole process is put back before the next."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    names = ("dicomnode", "pipelines", "models", "pydicom", "highdicom", "pynetdicom", "alembic")
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
