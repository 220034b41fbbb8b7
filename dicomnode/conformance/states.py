"""The states of deliveries and of storage commitment, in words for administrators."""

from __future__ import annotations

from enum import StrEnum

from dicomnode.conformance.table import Table
from dicomnode.store.states import CommitmentState, DeliveryState, ReportState

MEANINGS: dict[str, dict[StrEnum, str]] = {
    "delivery of a result": {
        DeliveryState.QUEUED: "Not yet sent, or to be sent again.",
        DeliveryState.SENT: "On its way, or no answer came; it is sent again.",
        DeliveryState.ACCEPTED: "The destination answered with success or a warning.",
        DeliveryState.COMMITTED: "The destination has reported that it keeps it.",
        DeliveryState.VERIFIED: "It was read back.",
        DeliveryState.REFUSED: "The destination refused it for good. Nothing more is tried.",
        DeliveryState.EXHAUSTED: "Tried as often as configured. Nothing more is tried.",
        DeliveryState.UNJUDGED: "Not sent before a reader accepts the soft mask.",
        DeliveryState.WITHHELD: "Not sent (again): a reader rejected the soft mask.",
        DeliveryState.WITHDRAWN: "Not sent (again): superseded, or withdrawn by hand.",
    },
    "storage commitment, as SCU": {
        CommitmentState.ASKED: "The report has not come.",
        CommitmentState.REPORTED: "The destination has reported.",
        CommitmentState.INTERRUPTED: (
            "The node stopped before a report came, and has asked again since. A late one counts."
        ),
        CommitmentState.REFUSED: "The destination did not take the request.",
    },
    "storage commitment, as SCP": {
        ReportState.QUEUED: "To be reported.",
        ReportState.REPORTED: "The peer has answered the report.",
        ReportState.REFUSED: "The peer refused the report, or there is no way to it.",
        ReportState.EXHAUSTED: "Reported as often as configured, without an answer.",
    },
}


def states() -> Table:
    """States, as ``dicomnode jobs`` and ``dicomnode explain`` name them."""
    rows = tuple(
        (of, state.value, meaning)
        for of, meanings in MEANINGS.items()
        for state, meaning in meanings.items()
    )
    return Table("states", ("Of", "State", "Meaning"), rows)
