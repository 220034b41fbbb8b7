"""Logging: one line an event, which begins with the event's stable name, or as a JSON object."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from dicomnode.events.reading import OWN, is_own, read_event
from dicomnode.faults import describe_fault

logger = logging.getLogger(__name__)

Format = Literal["text", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Of syslog (RFC 5424, 6.2.1); all below is 7."""


@dataclass(frozen=True)
class LogChoice:
    """How a process logs; workers are given their parent's."""

    level: str
    format: Format = "text"


_chosen: LogChoice | None = None


def silence_libraries() -> None:
    """Keep libraries from printing what is in data sets: their warnings quote patients' names."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "highdicom", "pynetdicom", "dicomweb_client", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def start_logging(level: str, form: Format = "text") -> None:
    """Log to standard error: the node from `level` on, libraries from WARNING on.

    Parameters
    ----------
    level : str
    form : str
        "text", or "json": one object a line with ``time``, ``level``, ``event`` and ``fields``.
    """
    global _chosen
    _chosen = LogChoice(level, form)
    silence_libraries()
    handler = logging.StreamHandler(sys.stderr)
    formatter: logging.Formatter = JsonLines() if form == "json" else TextLines()
    handler.setFormatter(_ForJournal(formatter) if _writes_to_journal() else formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for package in OWN:
        logging.getLogger(package).setLevel(level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Nothing here says them, nor where the call stands: records are made in half the time without
    # (Logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    # A traceback quotes the error's text, and that can quote a data set.
    threading.excepthook = _log_end_of_thread


def log_choice() -> LogChoice | None:
    """How this process logs; None where it was not told."""
    return _chosen


class TextLines(logging.Formatter):
    """Time, level, logger, message; what a peer put into a value cannot begin a line."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._second, self._words = -1, ""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        if record.exc_info or record.exc_text or record.stack_info:
            # A traceback would be more lines than one, and quotes the error's text.
            without = {"exc_info": None, "exc_text": None, "stack_info": None}
            line = super().format(logging.makeLogRecord(record.__dict__ | without)).rstrip(" ")
            if record.exc_info and record.exc_info[1] is not None:
                line += f" ({describe_fault(record.exc_info[1])})"
        else:
            # What the format above says, without its general way there.
            moment, message = self.formatTime(record), record.getMessage()
            line = f"{moment} {record.levelname} {record.name} {message}".rstrip(" ")
        if line.isprintable() and line.isascii():
            return line
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Give the local time; what lines of one second share is made once."""
        second = int(record.created)
        if second != self._second:
            self._words = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second
        return f"{self._words},{int(record.msecs):03d}"


class JsonLines(logging.Formatter):
    """One JSON object a line. What a library says is the event "library.message"."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        if is_own(record):
            event = read_event(record)
            name, fields = event.name, dict(event.fields)
        else:
            name, fields = "library.message", {"logger": record.name}
            fields["detail"] = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            fields["fault"] = describe_fault(record.exc_info[1])
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "event": name,
            "fields": fields,
        }
        return json.dumps(line)


class _ForJournal(logging.Formatter):
    """Begins each line with its priority, which the journal takes off (sd-daemon(3))."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Give one line."""
        number = next((n for level, n in _PRIORITIES if record.levelno >= level), 7)
        return f"<{number}>{self._inner.format(record)}"


def _writes_to_journal() -> bool:
    """Whether standard error is the journal's own socket (systemd.exec(5), JOURNAL_STREAM)."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _log_end_of_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        name = "unknown" if ended.thread is None else ended.thread.name
        logger.error("node.thread_ended thread=%s %s", name, describe_fault(ended.exc_value))
