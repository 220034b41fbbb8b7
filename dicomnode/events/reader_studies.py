"""Events of reader studies. No reader's name, and nothing that anybody answered."""

from __future__ import annotations

from dicomnode.events.event import Event

EVENTS = (
    Event(
        "readers.study_made",
        "INFO",
        "A reader study was made; readers find it on their pages.",
        "study cases",
    ),
    Event(
        "readers.study_closed",
        "INFO",
        "A reader study takes no more answers, and its results are shown to operators.",
        "study",
    ),
    Event(
        "readers.study_deleted",
        "INFO",
        "A reader study was deleted with its images and all answers.",
        "study files",
    ),
)
