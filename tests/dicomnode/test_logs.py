"""A line of the log is one event, whatever is in it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from datetime import datetime

import pytest

from dicomnode.logs import JsonLines, TextLines


def record(message: str, *given: object, name: str = "dicomnode.x", error=None):
    found = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.WARNING, "x.py", 1, message, given, found)


def raised(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_json_is_one_object_a_line_with_time_level_event_and_fields():
    line = JsonLines().format(record("lesion.waiting lesion=%d reason=%s", 3, 'two\n"lines"'))
    assert "\n" not in line
    read = json.loads(line)
    assert list(read) == ["time", "level", "event", "fields"]
    assert datetime.fromisoformat(read["time"]).utcoffset().total_seconds() == 0
    assert (read["level"], read["event"]) == ("WARNING", "lesion.waiting")
    assert read["fields"] == {"lesion": 3, "reason": 'two\n"lines"'}


def test_what_a_library_says_is_an_event_too():
    read = json.loads(JsonLines().format(record("lost %s", "it", name="apscheduler.x")))
    assert read["event"] == "library.message"
    assert read["fields"] == {"logger": "apscheduler.x", "detail": "lost it"}


def test_what_a_peer_sends_begins_no_line():
    line = TextLines().format(record("association.rejected calling=%s", "A\nB\x1b[2J\u2028"))
    assert line.endswith("calling=A\\x0aB\\x1b[2J\\x2028")


@pytest.mark.parametrize("formatter", [TextLines, JsonLines])
def test_an_error_is_named_and_its_text_is_not_told(formatter):
    line = formatter().format(record("it broke", name="apscheduler.x", error=raised("Secret^Name")))
    assert "ValueError in raised (test_logs.py:" in line
    assert "Secret" not in line


def test_a_process_logs_as_it_is_told_and_so_do_its_workers_and_threads(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import logging, threading
            from dicomnode.jobs.engine import ProcessEngine
            from dicomnode.logs import start_logging

            def work():
                logging.getLogger("pipelines.x").warning("network.memory network=%s", "a")

            def fail():
                raise ValueError("Secret^Name")

            if __name__ == "__main__":
                start_logging("INFO", "json")
                engine = ProcessEngine(1)
                engine.submit(work).result()
                engine.stop()
                thread = threading.Thread(target=fail, name="service")
                thread.start()
                thread.join()
            """
        )
    )
    ran = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, check=True, timeout=120
    )
    first, second = map(json.loads, ran.stderr.splitlines())
    assert (first["event"], first["fields"]) == ("network.memory", {"network": "a"})
    assert (second["event"], second["fields"]["thread"]) == ("node.thread_ended", "service")
    assert second["fields"]["detail"].startswith("ValueError in fail")
