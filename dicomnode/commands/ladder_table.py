"""Which results a destination gets, and why, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from sqlalchemy.orm import Session

from dicomnode.deliver import capabilities
from dicomnode.deliver.capabilities import ProbeOutcome
from dicomnode.deliver.ladder_choice import Choice, ladder
from dicomnode.settings import Destination


def choices_in(session: Session, destination: Destination) -> tuple[Choice, ...]:
    """Choose by what the node has written down of the destination."""

    def known(sop_class_uid: str) -> tuple[bool | None, str]:
        acceptance = capabilities.accepts(session, destination, sop_class_uid)
        return acceptance.answer, acceptance.why

    return ladder(destination, known)


def choices_after(outcome: ProbeOutcome, destination: Destination) -> tuple[Choice, ...]:
    """Choose by one probe alone, which is not written down."""

    def known(sop_class_uid: str) -> tuple[bool | None, str]:
        acceptance = capabilities.accepts_now(destination, outcome, sop_class_uid)
        return acceptance.answer, acceptance.why

    return ladder(destination, known)


def ladder_table(entries: Sequence[tuple[Destination, Choice]]) -> Table:
    """Give each choice a row."""
    table = Table("destination", "result", "made", "why")
    for destination, choice in entries:
        # Names and addresses are the administrator's, brackets included.
        table.add_row(
            Text(destination.name),
            choice.rung.name,
            "yes" if choice.made else "no",
            Text(choice.why),
        )
    return table
