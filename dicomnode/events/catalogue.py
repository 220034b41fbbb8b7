"""Every event that the node can log, and the page that lists them."""

from __future__ import annotations

from dicomnode.events import (
    auditing,
    delivering,
    reader_studies,
    receiving,
    serving,
    working,
)
from dicomnode.events.event import Event

GROUPS: dict[str, tuple[Event, ...]] = {
    "The node": (*serving.EVENTS, serving.LIBRARY),
    "Receiving": receiving.EVENTS,
    "Marks and lesions": working.EVENTS,
    "Asking peers": delivering.EVENTS,
    "The audit trail": auditing.EVENTS,
    "Reader studies": reader_studies.EVENTS,
}
"""By the headings of the page."""

CATALOGUE: dict[str, Event] = {event.name: event for group in GROUPS.values() for event in group}

_HEAD = """# Events of the log

Research software, not for diagnosis.

This page is written by `dicomnode events`; a test compares it with the code.

`[log] format = "text"` gives one line an event on standard error: time, level, logger, and a
message that begins with the event's name, followed by fields as `name=value`. `[log] format =
"json"` gives one JSON object a line: `time` (UTC), `level`, `event` and `fields`, in which numbers
are numbers. Both begin with a priority that the journal takes off (`<4>`) where standard error is
the journal's. Names and fields are kept over versions; new ones are added.

No line holds patient data, at any level: no name, ID, date of birth, sex, age, accession number,
date or description of a study, institution or person, and no words of a peer, which can quote them.
UIDs are logged (`sop`, `transaction`, and the reasons that name a slice): they are what `dicomnode
explain` is asked with, and tell of a patient only to those who have the images. AE titles, names of
destinations, sources and rules, and addresses are logged as well. `detail` of a fault names the
kind of an error and the place in the code, never its text. Metrics have no UIDs.
"""


def page() -> str:
    """Write the catalogue as Markdown, ``docs/events.md``."""
    parts = [_HEAD]
    for heading, events in GROUPS.items():
        parts.append(f"## {heading}\n")
        parts.append(
            "| event | level | when | fields | what to do |\n| --- | --- | --- | --- | --- |"
        )
        parts.extend(_row(event) for event in events)
        parts.append("")
    return "\n".join(parts)


def _row(event: Event) -> str:
    fields = ", ".join(f"`{name}`" for name in event.fields.split())
    levels = ", ".join(event.levels.split())
    return f"| `{event.name}` | {levels} | {event.when} | {fields} | {event.mend or 'nothing'} |"
