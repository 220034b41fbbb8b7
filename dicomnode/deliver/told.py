"""What a courier tells the audit trail of: what left the node, and what a peer refused."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from dicomnode.audit.messages import DataExport
from dicomnode.audit.participants import Outcome, Participant, StudyContent
from dicomnode.audit.trail import NoTransfers, Trail, Transferred
from dicomnode.deliver.answer import Answer, Contact, Verdict, status_word
from dicomnode.deliver.parcel import Parcel
from dicomnode.settings import Destination, DicomDestination, FolderDestination

_STUDY = Tag("StudyInstanceUID")
_OUTCOMES = {
    Verdict.ACCEPTED: Outcome.SUCCESS,
    Verdict.REFUSED: Outcome.SERIOUS_FAILURE,
    Verdict.REPEAT: Outcome.MINOR_FAILURE,
    Verdict.UNKNOWN: Outcome.MINOR_FAILURE,
}


class Told:
    """Collects what went to one destination in one go, and tells of it once for each study.

    Parameters
    ----------
    trail : Trail
    destination : Destination
    """

    def __init__(self, trail: Trail, destination: Destination) -> None:
        self._trail = trail
        self._destination = destination
        self._is_folder = isinstance(destination, FolderDestination)
        self._transfers: Transferred = NoTransfers()
        if not self._is_folder:
            self._transfers = trail.transfers(_peer(destination), sends=False, node_asked=True)
        self._exported: dict[tuple[str, Outcome], dict[str, int]] = {}

    def add(self, parcel: Parcel, answer: Answer) -> None:
        """One object was sent, or not. What did not leave the node is not told of."""
        no_way = answer.verdict is Verdict.REPEAT and answer.status is None
        if no_way or answer.contact is Contact.NONE:
            return
        outcome = _OUTCOMES[answer.verdict]
        study = _study_of(parcel)
        if self._is_folder:
            counted = self._exported.setdefault((study, outcome), {})
            counted[parcel.sop_class_uid] = counted.get(parcel.sop_class_uid, 0) + 1
            return
        words = ""
        if outcome is not Outcome.SUCCESS:
            # The peer's own words can name a patient.
            words = f"status {status_word(answer.status, answer.words)}"
        self._transfers.went(study, parcel.sop_class_uid, outcome=outcome, words=words)

    def end(self) -> None:
        """Tell of it."""
        self._transfers.end()
        if isinstance(self._destination, FolderDestination):
            place = self._destination.path.absolute().as_uri()
            for (study, outcome), classes in self._exported.items():
                content = StudyContent(study, tuple(sorted(classes.items())))
                self._trail.note(DataExport(content, place, outcome))
        self._exported.clear()


def _peer(destination: Destination) -> Participant:
    if isinstance(destination, DicomDestination):
        return Participant.ae(destination.ae_title, destination.host)
    host = urlsplit(str(destination.url)).hostname or ""
    return Participant(host or destination.name, host)


def _study_of(parcel: Parcel) -> str:
    """Study Instance UID of an object; empty where it cannot be read."""
    try:
        with open(parcel.path, "rb") as file:
            found = read_partial(file, lambda tag, *_: tag > _STUDY, specific_tags=[_STUDY])
    except (OSError, InvalidDicomError, ValueError):
        return ""
    return str(found.get("StudyInstanceUID", "") or "")
