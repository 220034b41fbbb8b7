"""What peers asked the node to commit to, and were told, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from dicomnode.commit import owed
from dicomnode.commit.information import describe_reason
from dicomnode.store.states import ReportState
from dicomnode.store.tables import CommitmentReport


def requests_for(session: Session, sop_instance_uid: str) -> Iterator[str]:
    """A line for each request for the commitment of an object, oldest first."""
    for row in owed.about(session, sop_instance_uid):
        yield (
            f"storage commitment asked for by {row.calling_ae} {_moment(row.asked_at)}, "
            f"transaction {row.transaction_uid}: {_answered(row, sop_instance_uid)}"
        )


def _answered(row: CommitmentReport, sop_instance_uid: str) -> str:
    said = f"; it said: {row.peer_words}" if row.peer_words else ""
    match row.state:
        case ReportState.QUEUED:
            attempts = f" after {row.attempts} attempt(s)" if row.attempts else ""
            return f"to be told{attempts}, due {_moment(row.due_at)}{said}"
        case ReportState.REPORTED:
            return f"{_answer(row, sop_instance_uid)}, told {_moment(row.changed_at)}"
        case ReportState.REFUSED | ReportState.EXHAUSTED:
            return f"{_answer(row, sop_instance_uid)}, but it could not be told{said}"


def _answer(row: CommitmentReport, sop_instance_uid: str) -> str:
    found = next(noted for noted in row.references if noted[1] == sop_instance_uid)
    if len(found) == 3:
        return "committed" if found[2] is None else f"not committed: {describe_reason(found[2])}"
    if row.failures is None:  # no report was ever made
        return "not answered"
    # Written down by a version that counted only.
    return f"{row.failures} of {len(row.references)} objects not committed"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
