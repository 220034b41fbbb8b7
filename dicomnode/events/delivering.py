"""Events of what the node asks of peers: delivery, confirmation, probes, retrieval."""

from __future__ import annotations

from dicomnode.events.event import Event

_REPORT = "It is tried again. If it goes on, report it with the line."
_WORDS = "`dicomnode explain` has the peer's words."
_SENT = "delivery destination status"
_FETCHED = "retrieval source instances status"

EVENTS = (
    Event("delivery.accepted", "INFO", "A destination took an object.", _SENT),
    Event(
        "delivery.queued",
        "WARNING",
        "A destination did not take an object; it is sent again.",
        _SENT,
        "If it goes on: `dicomnode echo`. " + _WORDS,
    ),
    Event(
        "delivery.sent",
        "WARNING",
        "No answer came; the object is sent again under the same UID.",
        _SENT,
        "If it goes on: the destination's response_timeout_s, or its load.",
    ),
    Event(
        "delivery.refused",
        "WARNING",
        "A destination refused an object for good: a dead letter.",
        _SENT,
        _WORDS + " Mend the cause, then `dicomnode jobs retry`.",
    ),
    Event(
        "delivery.exhausted",
        "WARNING",
        "An object was sent as often as allowed: a dead letter.",
        _SENT,
        "Mend the way to the destination, then `dicomnode jobs retry`.",
    ),
    Event(
        "delivery.unjudged",
        "WARNING",
        "A lesion got another soft mask while an object of the one before was on its way.",
        _SENT,
        "It waits for a reader to accept it at the lesion's page.",
    ),
    Event(
        "delivery.withheld",
        "WARNING",
        "A reader rejected an object's soft mask while it was on its way, and not taken.",
        _SENT,
    ),
    Event(
        "delivery.withdrawn",
        "WARNING",
        "An object was superseded or withdrawn by hand while it was on its way, and not taken.",
        _SENT,
    ),
    Event(
        "circuit.opened",
        "WARNING",
        "A destination gave no answer so many times in a row: it counts as away.",
        "destination failures",
        "`dicomnode echo`; `dicomnode jobs` shows since when, and when it is asked again.",
    ),
    Event("circuit.closed", "INFO", "A destination that was away has answered.", "destination"),
    Event(
        "delivery.verified",
        "INFO",
        "An object was read back from its destination.",
        "delivery destination reading",
    ),
    Event(
        "delivery.unverified",
        "WARNING",
        "An object was not read back, or not yet; `reading` says what was found.",
        "delivery destination reading",
        "reading=different: the destination changed the pixels. " + _WORDS,
    ),
    Event(
        "delivery.failed",
        "ERROR",
        "The service that sends met an unexpected error.",
        "destination detail",
        _REPORT,
    ),
    Event(
        "delivery.orphaned",
        "WARNING",
        "At the start: deliveries wait for a destination that is not configured any more.",
        "destination deliveries",
        "Configure it again; they wait until then.",
    ),
    Event(
        "commitment.asked",
        "INFO WARNING",
        "A destination was asked to commit to objects; `taken` says whether it took the request.",
        "destination transaction objects taken",
        "Where it did not: does it offer storage commitment, and know the node's AE title?",
    ),
    Event(
        "commitment.reported",
        "INFO WARNING",
        "A destination reported what it commits to.",
        "destination transaction committed failed",
        "Where failed is not 0: " + _WORDS,
    ),
    Event(
        "commitment.repeated",
        "INFO WARNING",
        "A destination reported a second time.",
        "destination transaction committed failed",
    ),
    Event(
        "commitment.unknown",
        "WARNING",
        "A peer reported of a transaction that is not the node's, or was forgotten.",
        "calling transaction",
        "If it goes on: another node has the same AE title, or [confirm] keep_days is too short.",
    ),
    Event(
        "commitment.failed",
        "ERROR",
        "Storage commitment, either way, met an unexpected error.",
        "report calling detail",
        _REPORT,
    ),
    Event(
        "confirmation.failed",
        "ERROR",
        "The service that confirms met an unexpected error.",
        "destination detail",
        _REPORT,
    ),
    Event("probe.answered", "INFO", "A destination said what it accepts.", "destination accepted"),
    Event(
        "probe.unanswered",
        "WARNING",
        "A destination was asked what it accepts and did not answer.",
        "destination accepted",
        "`dicomnode probe` says why.",
    ),
    Event("probe.failed", "ERROR", "The probing service met an error.", "detail", _REPORT),
    Event(
        "retrieval.queued",
        "INFO WARNING",
        "Images are wanted, or a source was asked and is asked again.",
        "lesions " + _FETCHED,
        "If it goes on: `dicomnode echo`, `dicomnode jobs`.",
    ),
    Event("retrieval.done", "INFO WARNING", "A source gave all that it has.", _FETCHED),
    Event(
        "retrieval.refused",
        "INFO WARNING",
        "Every source said no for good.",
        _FETCHED,
        _WORDS + " 0xA801: the source does not know the node's AE title.",
    ),
    Event(
        "retrieval.exhausted",
        "INFO WARNING",
        "Sources were asked as often as allowed.",
        _FETCHED,
        "Mend the way to the source and send the mark again.",
    ),
    Event(
        "retrieve.failed",
        "ERROR",
        "The service that fetches met an unexpected error.",
        "retrieval detail",
        _REPORT,
    ),
    Event(
        "retrieve.unreadable",
        "WARNING",
        "An object that marks came in cannot be read any more.",
        "detail",
        "Look at the disk; let it be sent again.",
    ),
    Event(
        "retrieve.interrupt_failed",
        "DEBUG",
        "A retrieval that takes too long ended by itself while it was cut off.",
        "detail",
    ),
)
