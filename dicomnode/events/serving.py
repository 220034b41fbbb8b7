"""Events of the node as a whole."""

from __future__ import annotations

from dicomnode.events.event import Event

EVENTS = (
    Event(
        "node.started",
        "INFO",
        "Every service of the parts that this process plays runs.",
        "version parts port swept",
    ),
    Event("node.stopped", "INFO", "Every service has ended, and the store is free."),
    Event(
        "store.waits",
        "WARNING",
        "A part starts beside others, and waits for tables of its version; it gives up after a "
        "minute.",
        "reason",
        "After an upgrade stop all parts before one of them starts: `systemctl stop "
        "dicomnode.target`.",
    ),
    Event(
        "part.unseen",
        "WARNING",
        "A part could not write down that it is alive; others will say that it is silent.",
        "detail",
        "Look at the disk of the store.",
    ),
    Event(
        "wake.failed",
        "DEBUG",
        "The receiver could not tell the worker what is new; it does so again.",
        "detail",
    ),
    Event(
        "wake.unheard",
        "WARNING",
        "The worker was told something that it does not understand. It finds by itself what is "
        "new, within seconds.",
        "detail",
        "Let all parts run the same version.",
    ),
    Event(
        "wake.unseen",
        "DEBUG",
        "The worker could not look for what is new; it does so again.",
        "detail",
    ),
    Event(
        "node.thread_ended",
        "ERROR",
        "A thread ended by an error that nothing caught.",
        "thread detail",
        "`/health/live` says whether a service is missing. Restart the node, and report the line.",
    ),
    Event("rules.loaded", "INFO", "The rules are in force that the node started with.", "rules"),
    Event("rules.reloaded", "INFO", "A reload was taken: other rules are in force.", "rules"),
    Event(
        "rules.kept",
        "ERROR",
        "A reload was not taken; the rules from before stay in force.",
        "rules reason",
        "The reason names file and line. Mend them and reload again.",
    ),
    Event(
        "rules.restart_needed",
        "WARNING",
        "Sections of the file have changed that a reload does not take.",
        "sections",
        "Restart the node when it suits.",
    ),
    Event(
        "rules.unsaid",
        "ERROR",
        "What `dicomnode rules` is to show could not be written; the rules are in force all the "
        "same.",
        "detail",
        "Look at the disk of the store.",
    ),
    Event(
        "database.upgraded",
        "INFO",
        "Migrations ran; `copy` is the database from before, in the store's folder `upgrades`.",
        "found newest copy",
    ),
    Event(
        "database.rolled_back",
        "WARNING",
        "`dicomnode upgrade --roll-back` put a copy of the database back.",
        "newest copy",
    ),
    Event("web.started", "INFO", "The web service listens.", "host port"),
    Event(
        "web.looked",
        "INFO",
        "Somebody searched, read, stored, judged or acted on jobs by the web service; "
        "the same look is told again after five minutes.",
        "user action study",
    ),
    Event(
        "web.not_read",
        "WARNING",
        "Somebody looks at a lesion whose files cannot be read.",
        "detail",
        "Look at the disk. Where a file is missing: `dicomnode doctor`.",
    ),
    Event(
        "web.not_computed",
        "WARNING",
        "A result that somebody asked for at a lesion's page could not be computed.",
        "detail",
        "If it goes on: `dicomnode networks` says what keeps networks from running.",
    ),
    Event(
        "dicomweb.failed",
        "ERROR",
        "A request by DICOMweb was answered with 500, or broken off in the middle of its answer.",
        "detail",
        "Where a file is gone, its study was deleted meanwhile. Else report it with the line.",
    ),
    Event("web.stopped", "INFO", "The web service has ended."),
    Event(
        "web.sign_in_refused",
        "WARNING",
        "A token was shown that is not known, has ended or was revoked.",
        "address",
        "Many from one address are guesses, or a program with an old token.",
    ),
    Event(
        "web.tokens_unread",
        "ERROR",
        "The file of tokens cannot be used: nobody is let in by one.",
        "reason",
        "Look at the file's owner and mode, or make tokens anew with `dicomnode token add`.",
    ),
    Event(
        "web.proxy_secret_unread",
        "ERROR",
        "[web.proxy] secret_file cannot be read: nobody is let in by the proxy.",
        "",
        "Look at the file's owner and mode, or at the unit's credentials.",
    ),
    Event(
        "health.changed",
        "INFO WARNING",
        "A check of `/health/ready` that was passed is failed now, or the other way round.",
        "check ready reason",
        "The reason says what is missing.",
    ),
    Event(
        "alert.told",
        "WARNING",
        "A channel took a message on a condition that arose, still holds, or has passed.",
        "channel event condition",
        "What the message says.",
    ),
    Event(
        "alert.failed",
        "ERROR",
        "A channel did not take a message, or alerting met an unexpected error.",
        "channel condition detail",
        "Look at [alerts] and at the mail or web server. It is tried again.",
    ),
    Event(
        "rows.forgotten",
        "INFO",
        "Rows that are needed no more were deleted.",
        "commitments deliveries reports",
    ),
    Event(
        "housekeeping.failed",
        "ERROR",
        "Deleting old rows met an unexpected error.",
        "detail",
        "It is tried again. If it goes on: `dicomnode doctor`.",
    ),
)

LIBRARY = Event(
    "library.message",
    "WARNING ERROR CRITICAL",
    'A library that the node uses said something; only with [log] format = "json".',
    "logger detail fault",
    "Report it with the line.",
)
