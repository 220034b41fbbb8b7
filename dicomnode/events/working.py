"""Events of marks and lesions: collecting, segmenting, publishing, summing up, networks."""

from __future__ import annotations

from dicomnode.events.event import Event

_REPORT = "It is tried again. If it goes on, report it with the line."

EVENTS = (
    Event(
        "engine.cut_off",
        "WARNING",
        "The node stops, and work that took longer than [segment] stop_s was broken off. The next "
        "start begins it anew.",
        "calls",
    ),
    Event(
        "study.purged",
        "INFO",
        "All files of a study were deleted, by retention or by hand; `dicomnode explain` has the "
        "trail.",
        "study state instances results bytes who",
    ),
    Event(
        "purge.finished",
        "INFO",
        "Files of a study were deleted whose deletion had been broken off.",
        "purge",
    ),
    Event("retention.waits", "INFO", "A backup is being made; retention looks again later."),
    Event(
        "retention.failed",
        "ERROR",
        "Retention met an unexpected error.",
        "detail",
        "It is tried again. If it goes on: `dicomnode doctor`, and look at the disk of the store.",
    ),
    Event(
        "mark.examined",
        "INFO",
        "An object was read for marks.",
        "sop marks outlines segments references refusals",
        "Where refusals is not 0: `dicomnode explain` with the UID says why.",
    ),
    Event(
        "mask.fault",
        "ERROR",
        "Putting a mask on its CT broke.",
        "attempt detail",
        "Report it with the line.",
    ),
    Event(
        "lesion.waiting",
        "INFO",
        "A lesion waits, mostly for slices.",
        "lesion reason",
        "If it stays: send the CT, or name a source in [[sources]].",
    ),
    Event("lesion.ready", "INFO", "A lesion has its slices; a worker may take it.", "lesion"),
    Event(
        "lesion.segmented",
        "INFO",
        "The soft mask is on disk.",
        "lesion seconds",
    ),
    Event(
        "lesion.published",
        "INFO",
        "The result objects are on disk, and each destination has a delivery.",
        "lesion objects",
    ),
    Event(
        "lesion.refused",
        "WARNING",
        "A lesion cannot be processed.",
        "lesion",
        "`dicomnode jobs --state refused` says why.",
    ),
    Event(
        "lesion.expired",
        "WARNING",
        "Lesions whose slices never came were refused after [collect] patience_h.",
        "count",
        "Send the CT and then the marks again.",
    ),
    Event(
        "lesion.superseded",
        "INFO",
        "Another lesion stands for this one now.",
        "lesion",
    ),
    Event(
        "lesion.fault",
        "ERROR",
        "An attempt at a lesion broke; state=failed means that it was the last one.",
        "lesion lesions state detail",
        "Mend the cause, then `dicomnode jobs retry`. A worker process that died: mostly the "
        "kernel's out-of-memory killer (`journalctl -k`); fewer [segment] processes.",
    ),
    Event(
        "lesion.postponed",
        "ERROR",
        "A result could not be written; it is tried again in a while.",
        "lesion reason",
        "Make room on the disk.",
    ),
    Event("collect.failed", "ERROR", "The collector met an unexpected error.", "detail", _REPORT),
    Event("dispatch.failed", "ERROR", "The dispatcher met an unexpected error.", "detail", _REPORT),
    Event(
        "engine.ended_worker",
        "ERROR",
        "A piece of work took more time or memory than it may, and its process was ended.",
        "detail",
        "The lesion.fault that follows names the lesion. If the work is sound: raise [segment] "
        "seconds or memory_mb.",
    ),
    Event(
        "engine.failed",
        "ERROR",
        "No worker process could be started; it is tried again in five seconds.",
        "detail",
        "Look at the machine's memory and TasksMax= of the unit.",
    ),
    Event(
        "jobs.changed_by_hand",
        "INFO",
        "An administrator took up, cancelled or discarded jobs.",
        "trace",
        "`dicomnode jobs trace` lists who, when and why.",
    ),
    Event(
        "jobs.unseen",
        "DEBUG",
        "The database did not answer when it was asked for what was changed by hand.",
        "detail",
    ),
    Event(
        "summary.published",
        "INFO",
        "The objects of a whole series were written.",
        "summary objects",
    ),
    Event(
        "summary.refused",
        "WARNING",
        "The objects of a whole series cannot be made.",
        "summary",
        "`dicomnode explain` with the series' UID says why.",
    ),
    Event(
        "summary.fault",
        "ERROR",
        "An attempt at the objects of a series broke.",
        "summary state detail",
        "Report it with the line.",
    ),
    Event("summary.failed", "ERROR", "The service that sums up met an error.", "detail", _REPORT),
    Event(
        "refusals.published",
        "INFO",
        "A report on an object's refused marks was written or taken back.",
        "report objects",
    ),
    Event(
        "verdict.published",
        "INFO",
        "A report on a reader's verdict was written.",
        "verdict objects",
    ),
    Event(
        "verdict.failed",
        "ERROR",
        "A report on a reader's verdict could not be written; it is tried again.",
        "detail",
        _REPORT,
    ),
    Event(
        "refusals.fault",
        "ERROR",
        "An attempt at a report on refusals broke.",
        "report state detail",
        "Report it with the line.",
    ),
    Event(
        "refusals.failed",
        "ERROR",
        "The service that reports refusals met an error.",
        "detail",
        _REPORT,
    ),
    Event(
        "networks.device",
        "INFO ERROR",
        "At the start, where a rule names a network: what it runs on, or why that is not known.",
        "device precision detail",
        "`dicomnode networks` and `dicomnode doctor` say what keeps a device from use.",
    ),
    Event(
        "networks.weights",
        "INFO",
        "A file in [networks] weights is taken in place of the package's.",
        "network detail",
    ),
    Event(
        "network.memory",
        "WARNING",
        "A device's memory did not hold a batch: it is halved, or the CPU takes over.",
        "network device batch detail",
        "Lower [networks] batch, or let fewer processes share the device.",
    ),
)
