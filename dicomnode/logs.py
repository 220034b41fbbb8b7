"""Logging: one line an event, which begins with the event's stable name."""

from __future__ import annotations

import logging
import sys


def start_logging(level: str) -> None:
    """Log to standard error at `level`; what libraries log only from WARNING on.

    Libraries can log attributes of data sets when asked for more.
    """
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for package in ("dicomnode", "pipelines", "models"):
        logging.getLogger(package).setLevel(level)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.WARNING)
