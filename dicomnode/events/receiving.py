"""Events of associations, of received objects, and of the node as a commitment SCP."""

from __future__ import annotations

from dicomnode.events.event import Event

EVENTS = (
    Event(
        "receiver.started",
        "INFO",
        "The node listens for associations.",
        "ae port tls_port",
    ),
    Event("receiver.stopped", "INFO", "The node listens no more.", "ae"),
    Event(
        "receiver.accept_failed",
        "ERROR",
        "A connection could not be taken: descriptors or threads ran out.",
        "detail",
        "Raise the limits of the unit (LimitNOFILE, TasksMax); look for a peer that opens many.",
    ),
    Event(
        "association.accepted",
        "INFO",
        "A peer opened an association; `tls` is the version of TLS, or none, and `caller` its rule "
        "of [[callers]], or none.",
        "calling address caller contexts tls",
    ),
    Event(
        "tls.failed",
        "WARNING DEBUG",
        "A connection to the port of TLS came to no TLS. The reason is OpenSSL's.",
        "address reason",
        "`certificate not accepted`: let [tls] ca_file have the peer's authority. `peer did not "
        "return a certificate`: the peer needs one. `unsupported protocol`, `no shared cipher`: "
        "the peer must speak TLS 1.2 or newer. `wrong version number`, `http request`: it speaks "
        "no TLS.",
    ),
    Event(
        "tls.reloaded",
        "INFO",
        "A reload read certificate, key and authorities again; new connections get them.",
    ),
    Event(
        "tls.outdated",
        "ERROR",
        "A revocation list in [tls] crl_file has ended: whoever shows a certificate of its "
        "authority is refused.",
        "file",
        "Fetch the authority's new list, and reload.",
    ),
    Event(
        "tls.kept",
        "ERROR",
        "A file of [tls] could not be used at a reload; what was read before stays.",
        "reason",
        "Mend the file that the reason names, and reload again.",
    ),
    Event(
        "association.rejected",
        "WARNING",
        "A peer was not let in. `detail` has result, source and diagnostic of PS3.8 Table 9-21: "
        "1, 1, 3 is its own AE title, 1, 1, 7 the one that it calls, 2, 3, 1 no room for objects, "
        "2, 3, 2 too many associations. `why` says more: `called-ae`, `calling-ae`, `room`, "
        "`associations`; by [[callers]] `address`, `no-tls`, `certificate`, `denied`, `not-known`, "
        "`associations`, `rate`.",
        "calling address caller why detail",
        "Compare AE titles with [listen] calling_ae_titles and ae_title, or raise "
        "max_associations; compare address and certificate with the rule of [[callers]].",
    ),
    Event(
        "association.ended",
        "INFO DEBUG",
        "A peer ended the association without releasing it, or the node stopped.",
        "calling reason",
    ),
    Event(
        "association.aborted",
        "WARNING",
        "A peer broke the protocol, and the node aborted.",
        "calling reason",
        "If a peer does this often, ask its vendor with the reason.",
    ),
    Event(
        "association.failed",
        "ERROR",
        "A fault of the node's own ended an association; the peer sends again.",
        "calling detail",
        "Report it with the line.",
    ),
    Event(
        "pressure.changed",
        "INFO WARNING",
        "What there is room for has changed: `all`; `marks`, and no CT images; or `nothing`.",
        "level free_mb backlog",
        "Make room on the disk. Many rows that wait: look at what holds them up, `dicomnode jobs`. "
        "All is taken again by itself.",
    ),
    Event(
        "instance.stored",
        "INFO",
        "An object is on disk, fsynced and indexed.",
        "sop bytes",
    ),
    Event(
        "instance.repeated",
        "INFO",
        "An object came again that is held already.",
        "sop bytes",
    ),
    Event(
        "instance.refused",
        "WARNING",
        "A C-STORE, or an object of a STOW-RS request, was answered with a failure.",
        "status sop calling reason",
        "0xA700: make room on the disk. 0xA900, 0xC000: the sender's object is broken. 0x0122: do "
        "not send this SOP class.",
    ),
    Event(
        "instance.incomplete",
        "WARNING",
        "The association ended in the middle of an object; nothing of it was kept.",
        "calling",
        "The sender repeats it. If not, look at the network between.",
    ),
    Event(
        "instance.followup_failed",
        "ERROR",
        "An object is kept, but what follows from it could not be begun.",
        "sop detail",
        "The next start takes it up. Report it with the line.",
    ),
    Event(
        "index.failed",
        "ERROR",
        "The database did not take an object; its sender was told 0xA700.",
        "sop detail",
        "Look at the disk and at the database: `dicomnode doctor`.",
    ),
    Event(
        "storage.failed",
        "ERROR",
        "The file system did not take an object; its sender was told 0xA700.",
        "detail",
        "Make room, or mend the disk: `dicomnode doctor`.",
    ),
    Event(
        "parts.swept",
        "INFO",
        "At the start: files that a crash left half written were deleted.",
        "folder files",
    ),
    Event(
        "reconcile.indexed",
        "INFO",
        "After a start: a whole file that a crash left outside the index was indexed.",
        "sop",
    ),
    Event(
        "reconcile.ended",
        "INFO",
        "After a start: every file in the store was compared with the index.",
        "indexed superseded unreadable seconds",
    ),
    Event(
        "reconcile.failed",
        "ERROR",
        "After a start: the store or the database could not be read; tried again shortly.",
        "detail",
        "Look at the disk and the database: `dicomnode doctor`.",
    ),
    Event(
        "reconcile.unreadable",
        "ERROR",
        "After a start: a file in the store cannot be read.",
        "file reason",
        "Look at the disk; let the sender send the object again.",
    ),
    Event(
        "commitment.requested",
        "INFO",
        "A peer asked the node to commit to objects.",
        "report calling objects",
    ),
    Event(
        "commitment.refused",
        "WARNING",
        "A request or report of storage commitment was answered with a failure.",
        "status sop calling reason",
        "The reason says what the peer did.",
    ),
    Event(
        "commitment.report_reported",
        "INFO",
        "A peer took the node's report on what it commits to.",
        "report calling failures status",
    ),
    Event(
        "commitment.report_queued",
        "INFO",
        "A report to a peer did not arrive and is repeated.",
        "report calling failures status",
        "If it goes on: `dicomnode echo`, and the peer's address in [[commitment.peers]].",
    ),
    Event(
        "commitment.report_refused",
        "INFO",
        "A peer refused the report for good, or there is no way to it.",
        "report calling failures status",
        "Enter the peer in [[commitment.peers]].",
    ),
    Event(
        "commitment.report_exhausted",
        "INFO",
        "A report was repeated as often as allowed.",
        "report calling failures status",
        "Let the peer ask again.",
    ),
    Event(
        "commitment.file_lost",
        "ERROR",
        "A file that the index names is gone; the node does not commit to it.",
        "sop",
        "Find out who deletes in the store; let the sender send the object again.",
    ),
    Event(
        "commitment.unreadable",
        "ERROR",
        "A file that the index names cannot be read; the node does not commit to it.",
        "sop detail",
        "Look at the disk: `dicomnode doctor`.",
    ),
)
