"""The states that rows pass through. Each step ends in one of them, so a crash resumes there."""

from __future__ import annotations

from enum import StrEnum


class InstanceState(StrEnum):
    """Of a received instance."""

    HELD = "held"
    """An image, or an object that no reader takes marks from: kept, joined when asked for."""
    RECEIVED = "received"
    """An object that may hold marks, not yet read."""
    EXAMINED = "examined"
    """Read: its marks and refusals are rows."""


class LesionState(StrEnum):
    """Of one thing to segment."""

    WAITING = "waiting"
    """Slices are missing, or may still come; `reason` says which."""
    READY = "ready"
    """Joined to its slices; a worker may take it."""
    SEGMENTED = "segmented"
    """The soft mask is on disk."""
    PUBLISHED = "published"
    """The result objects are on disk, and every destination has a delivery."""
    REFUSED = "refused"
    """Cannot be processed; `reason` says why."""
    SUPERSEDED = "superseded"
    """Another lesion is the same, or newer, or holds this one's masks; `reason` says which. What
    was made of it is kept, and no longer sent. It comes back should the other one fail."""
    FAILED = "failed"
    """Processing broke as often as it is allowed to; `reason` says how."""


class SummaryState(StrEnum):
    """Of the objects that hold all lesions of one series, or all refusals of one object."""

    WAITING = "waiting"
    """Its lesions have changed; it is made when it is due and none of them is worked at."""
    PUBLISHED = "published"
    """The objects are on disk, and every destination has a delivery; or there are none to make."""
    FAILED = "failed"
    """Making it broke as often as it is allowed to; `reason` says how."""


class DeliveryState(StrEnum):
    """Of one object on its way to one destination."""

    QUEUED = "queued"
    """Not yet sent, or to be sent again at `due_at`."""
    SENT = "sent"
    """On its way, or the peer's answer never came; it is sent again."""
    ACCEPTED = "accepted"
    """The peer answered with success or a warning."""
    COMMITTED = "committed"
    """The peer has taken responsibility for its safekeeping (PS3.4 Annex J)."""
    VERIFIED = "verified"
    """It was read back, as `verified_by` says."""
    REFUSED = "refused"
    """The peer said no for good; `peer_words` holds its answer. A dead letter."""
    EXHAUSTED = "exhausted"
    """Repeated as often as allowed without an acceptance, or accepted as often as allowed by a
    peer that then says that it does not have it. A dead letter."""
    UNJUDGED = "unjudged"
    """Not sent before a reader accepts the soft mask that the object was made of."""
    WITHHELD = "withheld"
    """Not sent (again) because a reader rejected that soft mask, unless one accepts it later."""
    WITHDRAWN = "withdrawn"
    """Not sent (again): its lesion was superseded, or an administrator withdrew it."""


DEAD_LETTERS = (DeliveryState.REFUSED, DeliveryState.EXHAUSTED)
"""Nothing more is tried until somebody takes them up."""


class Confirmation(StrEnum):
    """What is still to be done for a delivery that was accepted."""

    COMMIT = "commit"
    """Ask for its commitment at `due_at`."""
    REPORT = "report"
    """Asked for; the peer's report is awaited until `due_at`, then it is asked for again."""
    VERIFY = "verify"
    """Read it back at `due_at`."""


class CommitmentState(StrEnum):
    """Of one transaction of storage commitment that the node began as SCU."""

    ASKED = "asked"
    """Begun; the peer's report has not come."""
    INTERRUPTED = "interrupted"
    """The node stopped before a report came; another was begun since. A late report counts."""
    REPORTED = "reported"
    """The peer has reported."""
    REFUSED = "refused"
    """The peer did not take the request."""


class ReportState(StrEnum):
    """Of one transaction of storage commitment that a peer began with the node as SCP."""

    QUEUED = "queued"
    """To be reported at `due_at`."""
    REPORTED = "reported"
    """The peer has answered the report."""
    REFUSED = "refused"
    """The peer said no to the report for good, or there is no way to it."""
    EXHAUSTED = "exhausted"
    """Repeated as often as allowed."""


class RetrievalState(StrEnum):
    """Of images that a mark waits for and that a source is asked for."""

    QUEUED = "queued"
    """To be asked for at `due_at`."""
    RUNNING = "running"
    """A source is being asked now; after a crash it is asked again."""
    DONE = "done"
    """All that the source has is here. Asked again later where a lesion still waits for more."""
    REFUSED = "refused"
    """Every source said no for good, or none can be asked; `peer_words` says why."""
    EXHAUSTED = "exhausted"
    """Asked as often as allowed."""


class CircuitState(StrEnum):
    """Of the way to one destination, seen over all that goes there."""

    CLOSED = "closed"
    """Objects go when they are due."""
    OPEN = "open"
    """So many attempts failed in a row that nothing goes before `probe_at`."""
    HALF_OPEN = "half-open"
    """One object is on its way, to find out; after a crash another one is sent."""


class JobAction(StrEnum):
    """What somebody did to a lesion or a delivery."""

    RETRY = "retry"
    """Taken up again."""
    CANCEL = "cancel"
    """What was still to be done is not done."""
    DISCARD = "discard"
    """What failed for good is left at that, and no longer told of."""
    JUDGE = "judge"
    """A reader accepted or rejected a lesion's soft mask."""


class Decision(StrEnum):
    """What a reader says of a soft mask."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"


class StudyState(StrEnum):
    """What has become of a study, for what may be deleted."""

    BUSY = "busy"
    """Something of it is still to be done. Never deleted."""
    DELIVERED = "delivered"
    """Every destination has all results, as far as its configuration asks."""
    UNSENT = "unsent"
    """Results were made and are only here: of a dry run, withdrawn, or not accepted by a reader."""
    REFUSED = "refused"
    """It holds marks, and all were refused."""
    FAILED = "failed"
    """A lesion failed, or a destination does not have a result as it was to: somebody is needed."""
    UNMARKED = "unmarked"
    """Nobody has marked anything on it."""
