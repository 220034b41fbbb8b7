"""Logging: one line an event, which begins with the event's stable name."""

from __future__ import annotations

import logging
import sys
import warnings


def silence_libraries() -> None:
    """Keep libraries from printing what is in data sets: their warnings quote patients' names."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "highdicom", "pynetdicom", "dicomweb_client", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def start_logging(level: str) -> None:
    """Log to standard error: the node from `level` on, libraries from WARNING on."""
    silence_libraries()
    logging.basicConfig(
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    for package in ("dicomnode", "pipelines", "models"):
        logging.getLogger(package).setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
