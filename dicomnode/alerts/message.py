"""What a message says, as text for people and as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from dicomnode.alerts.ledger import Event, News
from dicomnode.version import VERSION

_HEADINGS = {
    Event.RAISED: "{condition}",
    Event.REPEATED: "still: {condition}",
    Event.RECOVERED: "recovered: {condition}",
}


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes
    ----------
    subject, text : str
    data : dict
        The same for programs.
    """

    subject: str
    text: str
    data: dict[str, str]


def write_message(one: News, node: str, interval_h: float) -> Message:
    """Write a message.

    Parameters
    ----------
    one : News
    node : str
        AE title of the node.
    interval_h : float
        Hours until the next one on the same condition.
    """
    environment = Environment(
        loader=PackageLoader("dicomnode.alerts"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # plain text
    )
    heading = _HEADINGS[one.event].format(condition=one.condition)
    since = datetime.fromtimestamp(one.since, UTC).isoformat(timespec="seconds")
    text = environment.get_template("message.txt.j2").render(
        heading=heading, news=one, node=node, since=since, version=VERSION, interval_h=interval_h
    )
    data = {
        "node": node,
        "version": VERSION,
        "event": one.event.value,
        "condition": one.condition,
        "words": one.words,
        "since": since,
    }
    return Message(f"[{node}] {heading}", text, data)
