"""Status codes: what the node answers, and what it makes of a peer's answers.

What the node makes of an answer is found out by asking the functions that decide it for every
status there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from dicomnode.commit import owed
from dicomnode.commit.information import FailureReason, describe_reason
from dicomnode.conformance.table import Table
from dicomnode.deliver import commitment_scu, commitments, read_back, read_by_dimse
from dicomnode.deliver.answer import Verdict, judge
from dicomnode.deliver.stow import judge_http
from dicomnode.receive import commitment, upper_layer
from dicomnode.receive.command_sets import (
    OUT_OF_RESOURCES,
    SOP_CLASS_NOT_SUPPORTED,
    SUCCESS,
    UNRECOGNISED_OPERATION,
)
from dicomnode.receive.encoded import CANNOT_UNDERSTAND, DOES_NOT_MATCH_SOP_CLASS
from dicomnode.retrieve import status as dimse
from dicomnode.retrieve.web_faults import is_final

STORED = {
    SUCCESS: ("Success", "The instance is on disk, fsynced and in the index."),
    SOP_CLASS_NOT_SUPPORTED: ("SOP class not supported", "The class is none that the node keeps."),
    UNRECOGNISED_OPERATION: ("Unrecognised operation", "Only the services above are offered."),
    OUT_OF_RESOURCES: (
        "Out of resources",
        "No space is left, or disk or database do not take it; CT images are the first. Nothing is "
        "kept; send it again.",
    ),
    DOES_NOT_MATCH_SOP_CLASS: (
        "Data set does not match SOP class",
        "A UID is missing, invalid or not the announced one; or an image lacks its pixel data.",
    ),
    CANNOT_UNDERSTAND: (
        "Cannot understand",
        "The data set is broken, cut off or empty, or its pixel data are incomplete.",
    ),
}
"""What a C-STORE can be answered with, and when."""

COMMITTED = {
    SUCCESS: ("Success", "The request or report is in the database."),
    commitment.PROCESSING_FAILURE: ("Processing failure", "The database does not take it now."),
    commitment.NO_SUCH_INSTANCE: (
        "No such SOP instance",
        "It is not of the well-known instance of storage commitment.",
    ),
    commitment.NO_SUCH_EVENT_TYPE: ("No such event type", "An event type other than 1 and 2."),
    commitment.INVALID_ARGUMENT: (
        "Invalid argument value",
        "The information cannot be used: UIDs are missing, the transaction was for other objects, "
        "or a report is on a transaction that is not known here.",
    ),
    commitment.CLASS_INSTANCE_CONFLICT: (
        "Class-instance conflict",
        "The SOP class differs from the negotiated one.",
    ),
    commitment.NO_SUCH_ACTION: ("No such action", "An action type other than 1."),
    commitment.NOT_AUTHORISED: ("Not authorised", "The node is configured to commit to nothing."),
    UNRECOGNISED_OPERATION: (
        "Unrecognised operation",
        "The presentation context is none of storage commitment.",
    ),
    commitment.RESOURCE_LIMITATION: (
        "Resource limitation",
        "More objects in one request than configured.",
    ),
}
"""What an N-ACTION or N-EVENT-REPORT can be answered with, and when."""

REJECTIONS = (
    (upper_layer.APPLICATION_CONTEXT_NOT_SUPPORTED, "The application context is not DICOM's."),
    (upper_layer.CALLING_AE_NOT_RECOGNISED, "The calling AE title is not let in."),
    (upper_layer.CALLED_AE_NOT_RECOGNISED, "The called AE title is not that of the node."),
    (upper_layer.PROTOCOL_VERSION_NOT_SUPPORTED, "The protocol version is not 1."),
    (
        upper_layer.TEMPORARY_CONGESTION,
        "Disk or database have no room for objects now, and the association proposes to store. Try "
        "again.",
    ),
    (upper_layer.LOCAL_LIMIT_EXCEEDED, "As many associations as configured are open. Try again."),
)
"""Why an association is rejected."""

_VERDICTS = {
    Verdict.ACCEPTED: "Accepted.",
    Verdict.REFUSED: "Refused for good: not sent again by itself.",
    Verdict.REPEAT: "Sent again, with growing waits.",
    Verdict.UNKNOWN: "Not known whether it was stored: sent again, with the same UIDs.",
}
_AGAIN = "Asked again, with growing waits."
_NEVER = "Not asked again by itself."


def answered_to_c_store() -> Table:
    """What the node answers to C-STORE."""
    return Table("status-c-store-scp", ("Status", "Meaning", "When"), _rows(STORED))


def answered_to_commitment() -> Table:
    """What the node answers to N-ACTION and N-EVENT-REPORT."""
    return Table("status-commitment-scp", ("Status", "Meaning", "When"), _rows(COMMITTED))


def failure_reasons() -> Table:
    """Failure reasons of storage commitment: of the node's reports, and what follows from a peer's.

    The node itself gives three of them.
    """
    given = (
        FailureReason.PROCESSING_FAILURE,
        FailureReason.NO_SUCH_OBJECT,
        FailureReason.CLASS_INSTANCE_CONFLICT,
    )
    rows = []
    for reason in FailureReason:
        if reason in commitments.SENDING_IS_VAIN:
            follows = "Stays accepted: sending again would change nothing."
        elif reason is FailureReason.DUPLICATE_TRANSACTION:
            follows = "Asked about again, in another transaction."
        else:
            follows = "The object is sent again."
        own = "Yes" if reason in given else "No"
        code, _, meaning = describe_reason(reason).partition(" ")
        rows.append((code, meaning, own, follows))
    return Table(
        "failure-reasons",
        ("Reason", "Meaning", "The node reports it", "When a peer reports it"),
        tuple(rows),
    )


def rejections() -> Table:
    """Why the node rejects associations (PS3.8 Table 9-21)."""
    results = {1: "1 (permanent)", 2: "2 (transient)"}
    sources = {1: "1 (user)", 2: "2 (provider, ACSE)", 3: "3 (provider, presentation)"}
    rows = tuple(
        (results[r.result], sources[r.source], str(r.diagnostic), why) for r, why in REJECTIONS
    )
    return Table("rejections", ("Result", "Source", "Reason", "When"), rows)


def made_of_c_store() -> Table:
    """What the node makes of the answers to its C-STORE."""

    def behaviour(status: int) -> tuple[str, str]:
        answer = judge(status, "")
        return answer.words.partition(" ")[2], _VERDICTS[answer.verdict]

    rows = _grouped(range(0x10000), behaviour, _hexadecimal, "failure")
    rows.append(("none", "no answer, or the association broke", _VERDICTS[Verdict.UNKNOWN]))
    columns = ("Status", "Meaning", "What the node does")
    return Table("status-c-store-scu", columns, tuple(rows))


def made_of_retrieval() -> Table:
    """What the node makes of final answers to its C-FIND, C-MOVE and C-GET of images."""

    def behaviour(status: int) -> tuple[str, str]:
        if status == SUCCESS:
            return "success", "Done."
        if status in dimse.PENDING:
            return "pending", "More answers are waited for."
        return dimse.meaning_of(status), _NEVER if dimse.is_final(status) else _AGAIN

    rows = _grouped(range(0x10000), behaviour, _hexadecimal, "failure")
    columns = ("Status", "Meaning", "What the node does")
    return Table("status-retrieve-scu", columns, tuple(rows))


def made_of_others() -> Table:
    """What the node makes of answers to its other requests."""
    finds = ", ".join(map(_code, read_by_dimse.FINAL_STATUSES))
    asks = ", ".join(map(_code, commitment_scu.MAY_PASS))
    reports = ", ".join(map(_code, owed.MAY_PASS))
    rows = (
        (
            "C-FIND or C-GET, reading back",
            _code(SUCCESS),
            "It is there: found (C-FIND), or given the same (C-GET).",
        ),
        ("C-FIND or C-GET, reading back", finds, "Not verified; not asked again."),
        ("C-FIND or C-GET, reading back", "any other", _AGAIN),
        ("N-ACTION", _code(SUCCESS), "The report is waited for."),
        ("N-ACTION", asks, _AGAIN),
        ("N-ACTION", "any other", "Not committed; not asked again."),
        ("N-EVENT-REPORT", _code(SUCCESS), "Done."),
        ("N-EVENT-REPORT", f"{reports}, or no answer", "Reported again, with growing waits."),
        ("N-EVENT-REPORT", "any other", "Not reported again."),
        ("C-ECHO", _code(SUCCESS), "The peer answers; anything else is told to the administrator."),
    )
    return Table("status-others-scu", ("Request", "Status", "What the node does"), rows)


def made_of_http() -> Table:
    """What the node makes of HTTP statuses."""
    rows = []
    for request, decide in (
        ("STOW-RS", lambda status: _VERDICTS[judge_http(status)]),
        ("QIDO-RS, WADO-RS of images", _image_request),
        ("QIDO-RS, WADO-RS, reading back", _read_back_request),
    ):
        found = _grouped(range(200, 600), lambda s, d=decide: ("", d(s)), str, None)
        rows += [(request, codes, follows) for codes, _, follows in found]
    return Table("status-http", ("Request", "HTTP status", "What the node does"), tuple(rows))


def _image_request(status: int) -> str:
    if status < 300:
        return "The answer is read."
    if status < 400:
        return "Redirections are followed, three at most."
    return _NEVER if is_final(status) else _AGAIN


def _read_back_request(status: int) -> str:
    if status < 400:
        return _image_request(status)
    if status in read_back.ABSENT_HTTP_STATUSES:
        return "Not found; looked for again, with growing waits."
    return "Not verified; not asked again." if status in read_back.FINAL_HTTP_STATUSES else _AGAIN


def _rows(answers: dict[int, tuple[str, str]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((_code(status), *answers[status]) for status in sorted(answers))


def _grouped(
    statuses: Iterable[int],
    behaviour: Callable[[int], tuple[str, str]],
    write: Callable[[int], str],
    default: str | None,
) -> list[tuple[str, str, str]]:
    """Statuses that mean and cause the same, as ranges in one row; `default` is the last row."""
    ranges: dict[tuple[str, str], list[str]] = {}
    for same, found in groupby(statuses, behaviour):
        run = list(found)
        if len(run) > 2:
            texts = [f"{write(run[0])} to {write(run[-1])}"]
        else:
            texts = [write(status) for status in run]
        ranges.setdefault(same, []).extend(texts)
    rows = []
    last = []
    for (meaning, follows), texts in ranges.items():
        if default is not None and meaning == default and len(texts) > 3:
            last.append(("any other", meaning, follows))
        else:
            rows.append((", ".join(texts), meaning, follows))
    return rows + last


def _code(status: int) -> str:
    return f"0x{status:04X}"


_hexadecimal = _code
