"""A conversation with a source of which the audit trail is told: what is asked for, what comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from dicomnode.audit.messages import Query
from dicomnode.audit.participants import Action, Participant
from dicomnode.audit.trail import Trail, Transferred
from dicomnode.receive.intake import Announced, Intake
from dicomnode.retrieve.source import Asking, FoundImage, FoundSeries
from dicomnode.settings import DicomSource, Source
from dicomnode.store.received import ReceivedInstance


def peer_of(source: Source) -> Participant:
    """A source as a participant."""
    if isinstance(source, DicomSource):
        return Participant.ae(source.ae_title, source.host)
    host = urlsplit(str(source.url)).hostname or ""
    return Participant(host or source.name, host)


class CountingIntake:
    """An intake that says of each instance whose it is.

    Parameters
    ----------
    intake : Intake
    transfers : Transferred
    """

    def __init__(self, intake: Intake, transfers: Transferred) -> None:
        self._intake = intake
        self._transfers = transfers

    def keep(self, announced: Announced, data_set: Iterable[bytes]) -> ReceivedInstance:
        """Keep one instance. Raises dicomnode.receive.refused.Refused."""
        received = self._intake.keep(announced, data_set)
        header = received.header
        self._transfers.went(
            header.study_instance_uid,
            header.sop_class_uid,
            Action.CREATE if received.new else Action.READ,
        )
        return received


class AuditedAsking:
    """Tells of each query before it is made, and at the end of what came.

    What a source sends by C-MOVE comes over associations of its own, which the receiver tells of.

    Parameters
    ----------
    asking : Asking
    source : Source
    trail : Trail
    transfers : Transferred
        Ended with the conversation.
    """

    def __init__(
        self, asking: Asking, source: Source, trail: Trail, transfers: Transferred
    ) -> None:
        self._asking = asking
        self._source = source
        self._trail = trail
        self._transfers = transfers

    @property
    def takes_whole_series(self) -> bool:
        """Whether one request for a series serves better than one for each image."""
        return self._asking.takes_whole_series

    def series(self, study: str) -> Sequence[FoundSeries]:
        """Series of a study."""
        self._note(QueryRetrieveLevel="SERIES", StudyInstanceUID=study)
        return self._asking.series(study)

    def series_of_image(self, study: str, sop_instance_uid: str) -> str | None:
        """Series of the study that holds an image; None where none does."""
        self._note(
            QueryRetrieveLevel="IMAGE", StudyInstanceUID=study, SOPInstanceUID=sop_instance_uid
        )
        return self._asking.series_of_image(study, sop_instance_uid)

    def images(
        self, study: str, series: str, limit: int | None = None
    ) -> Sequence[FoundImage] | None:
        """Instances of a series; None where the source cannot be asked that."""
        self._note(QueryRetrieveLevel="IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series)
        return self._asking.images(study, series, limit=limit)

    def fetch(self, study: str, series: str, images: Sequence[str] | None) -> None:
        """Bring a series, or some of its images, into the node's store."""
        self._asking.fetch(study, series, images)

    def __enter__(self) -> Self:
        """Begin. Raises dicomnode.retrieve.source.Failed."""
        try:
            self._asking.__enter__()
        except BaseException:
            self._transfers.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and tell of what came."""
        try:
            self._asking.__exit__(kind, error, trace)
        finally:
            self._transfers.end()

    def _note(self, **keys: str) -> None:
        """Tell of the keys that are matched; more may be asked for in return."""
        is_dicom = isinstance(self._source, DicomSource)
        self._trail.note(
            Query(
                StudyRootQueryRetrieveInformationModelFind,
                _encoded(keys) if is_dicom else urlencode(keys).encode(),
                ImplicitVRLittleEndian if is_dicom else "",
                asked=peer_of(self._source),
            )
        )


def _encoded(keys: dict[str, str]) -> bytes:
    """As an identifier of C-FIND in Implicit VR Little Endian."""
    identifier = Dataset()
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, True
    write_dataset(file, identifier)
    return file.getvalue()
