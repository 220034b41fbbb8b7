"""Events of the audit trail itself; what it says is in its journal, and never in the log."""

from __future__ import annotations

from dicomnode.events.event import Event

EVENTS = (
    Event(
        "audit.mended",
        "ERROR",
        "The journal was not as it should be, after a crash or by somebody's hand; the journal "
        "says so too, and goes on.",
        "detail",
        "After a crash nothing. Else `dicomnode audit verify`, and find out who had access.",
    ),
    Event(
        "audit.failed",
        "ERROR",
        "Nothing can be written to the journal. Messages wait in memory; deletions do not happen.",
        "waiting detail",
        "Look at the disk of the store and at the owner of its folder `audit`.",
    ),
    Event(
        "audit.resumed",
        "INFO",
        "The journal can be written again; `lost` messages did not fit into memory meanwhile.",
        "lost",
    ),
    Event(
        "audit.lost",
        "ERROR",
        "The node stopped while nothing could be written; these messages were in memory only.",
        "messages",
        "Look at the disk of the store and at the owner of its folder `audit`.",
    ),
    Event(
        "audit.untold",
        "ERROR",
        "A message could not be put into XML, and is left out.",
        "message detail",
        "Report it with the line.",
    ),
    Event(
        "audit.unsent",
        "WARNING ERROR",
        "The collector does not take messages. They are kept, and sent once it does.",
        "detail",
        "`dicomnode doctor` asks the collector.",
    ),
    Event("audit.sending", "INFO", "The collector takes messages again.", "records"),
    Event(
        "audit.forgotten",
        "INFO",
        "A file of the journal was let go, as [audit] keep_days says.",
        "file first last",
    ),
    Event(
        "audit.kept",
        "ERROR",
        "Old files of the journal could not be let go.",
        "detail",
        "It is tried again. If it goes on: the folder `audit` of the store.",
    ),
)
