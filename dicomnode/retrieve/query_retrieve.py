"""Ask a source by C-FIND, and fetch by C-MOVE or C-GET (PS3.4 Annex C, Study Root)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as MOVE

from dicomnode.association import NoAssociation, NothingAccepted, associate, requesting_ae
from dicomnode.faults import describe_fault
from dicomnode.open_sockets import OpenSockets
from dicomnode.proposed_contexts import retrieval
from dicomnode.receive.command_sets import OUT_OF_RESOURCES
from dicomnode.receive.encoded import CANNOT_UNDERSTAND
from dicomnode.receive.intake import Announced, Intake, Refused
from dicomnode.retrieve.budget import Arrivals, Budget
from dicomnode.retrieve.source import (
    CANDIDATES,
    Failed,
    FoundImage,
    FoundSeries,
    found_images,
    found_series,
)
from dicomnode.retrieve.status import PENDING, failed_by
from dicomnode.settings import DicomSource

_UIDS_A_REQUEST = 200
_MAX_SERIES = 2000


class DicomAsking:
    """One association with a source.

    Parameters
    ----------
    source : DicomSource
    ae_title : str
        The node's own; C-MOVE sends there.
    intake : Intake
        Keeps what comes by C-GET.
    arrivals : Arrivals
        Counts what comes by C-MOVE.
    budget : Budget
    """

    takes_whole_series = True

    def __init__(
        self,
        source: DicomSource,
        ae_title: str,
        intake: Intake,
        arrivals: Arrivals,
        budget: Budget,
    ) -> None:
        self._source = source
        self._ae_title = ae_title
        self._intake = intake
        self._arrivals = arrivals
        self._budget = budget
        self._association: Association | None = None
        self._arriving = 0
        self._failure: Failed | None = None
        self._refusal: Refused | None = None

    def __enter__(self) -> Self:
        """Associate.

        Raises
        ------
        Failed
        """
        ae = requesting_ae(self._source, self._ae_title)
        handlers = [(evt.EVT_CONN_OPEN, self._opened)]
        if not self._moves:
            handlers += [(evt.EVT_C_STORE, self._keep), (evt.EVT_DATA_RECV, self._count)]
        try:
            self._association = associate(ae, self._source, retrieval(self._source.kind), handlers)
        except NoAssociation as error:
            self._budget.check()  # where an end is what went wrong
            raise Failed(str(error), final=isinstance(error, NothingAccepted)) from None
        return self

    def _opened(self, event: evt.Event) -> None:
        """From here on there is something to interrupt, though the peer may not answer yet."""
        self._budget.interrupt = lambda: _cut(event.assoc)
        try:
            self._budget.check()  # an end that came before
        except Failed:
            _cut(event.assoc)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Release the association; abort it where something went wrong."""
        self._budget.interrupt = lambda: None
        if self._association.is_established:
            if error is None:
                self._association.release()
            else:
                self._association.abort()

    def series(self, study: str) -> Sequence[FoundSeries]:
        """Series of a study (PS3.4 C.6.2.1)."""
        keys = Dataset()
        keys.QueryRetrieveLevel = "SERIES"
        keys.StudyInstanceUID = study
        keys.SeriesInstanceUID = ""
        keys.Modality = ""
        keys.FrameOfReferenceUID = ""
        answers = self._find(keys, _MAX_SERIES)
        if answers is None:
            raise Failed("the source cannot be queried by C-FIND", final=True)
        return found_series(answers)

    def series_of_image(self, study: str, sop_instance_uid: str) -> str | None:
        """Series of the study that holds an image.

        A query for an image must name its series (PS3.4 C.4.1.2.1): each that may hold it is asked.
        """
        for series in self.series(study):
            uid = series.series_instance_uid
            if series.modality in CANDIDATES and any(
                image.sop_instance_uid == sop_instance_uid
                for image in self._images(study, uid, sop_instance_uid) or ()
            ):
                return uid
        return None

    def images(
        self, study: str, series: str, limit: int | None = None
    ) -> Sequence[FoundImage] | None:
        """Instances of a series; None where the source has no C-FIND."""
        return self._images(study, series, limit=limit)

    def _images(
        self, study: str, series: str, sop_instance_uid: str = "", limit: int | None = None
    ) -> Sequence[FoundImage] | None:
        """Instances of a series, or one of them (PS3.4 C.6.2.1)."""
        keys = Dataset()
        keys.QueryRetrieveLevel = "IMAGE"
        keys.StudyInstanceUID = study
        keys.SeriesInstanceUID = series
        keys.SOPInstanceUID = sop_instance_uid
        keys.SOPClassUID = ""
        keys.FrameOfReferenceUID = ""
        answers = self._find(keys, limit)
        return None if answers is None else found_images(answers)

    def fetch(self, study: str, series: str, images: Sequence[str] | None) -> None:
        """Fetch a series, or some of its images (PS3.4 C.4.2 and C.4.3).

        Raises
        ------
        Failed
            Also where some of the images could not be sent or kept; the others are here.
        """
        counted = self._arrivals.counted(series, self._budget)
        with counted if self._moves else contextlib.nullcontext():
            if images is None:
                self._fetch(study, series, ())
                return
            for start in range(0, len(images), _UIDS_A_REQUEST):
                self._fetch(study, series, images[start : start + _UIDS_A_REQUEST])

    @property
    def _moves(self) -> bool:
        return self._source.kind == "c-move"

    def _fetch(self, study: str, series: str, images: Sequence[str]) -> None:
        keys = Dataset()
        keys.QueryRetrieveLevel = "IMAGE" if images else "SERIES"
        keys.StudyInstanceUID = study
        keys.SeriesInstanceUID = series
        if images:
            keys.SOPInstanceUID = list(images)
        association = self._established()
        name = "C-MOVE" if self._moves else "C-GET"
        try:
            if self._moves:
                responses = association.send_c_move(keys, self._ae_title, MOVE)
            else:
                responses = association.send_c_get(keys, GET)
            for status, _ in self._answers(responses, name):
                if status.Status not in PENDING:
                    self._judge(status)
                    return
                self._budget.check()
        except Failed as error:
            # The sub-operations would go on, and what they send would be taken.
            with contextlib.suppress(Exception):
                association.send_c_cancel(1, query_model=MOVE if self._moves else GET)
            raise self._failure or error from None
        except ValueError:
            raise Failed(f"the source does not accept {name}", final=True) from None
        except RuntimeError:  # it ended between the look and the call
            raise self._failure or Failed("the association ended") from None
        raise Failed(f"no answer to {name}")

    def _judge(self, status: Dataset) -> None:
        if self._failure is not None:
            raise self._failure
        if self._refusal is not None:
            refusal = self._refusal
            mendable = refusal.status == OUT_OF_RESOURCES
            raise Failed(f"an image was not kept: {refusal.reason}", final=not mendable)
        if status.Status != 0x0000:
            raise failed_by(status)

    def _find(self, keys: Dataset, limit: int | None) -> list[Dataset] | None:
        """Answers to a query; None where the source does not take C-FIND."""
        association = self._established()
        answers: list[Dataset] = []
        try:
            responses = association.send_c_find(keys, FIND)
            for status, identifier in self._answers(responses, "C-FIND"):
                self._budget.check()
                if status.Status not in PENDING:
                    if status.Status != 0x0000:
                        raise failed_by(status)
                    return answers
                if identifier is not None:
                    answers.append(identifier)
                if limit is not None and len(answers) > limit:
                    raise Failed(f"more than {limit} answers to C-FIND", final=True)
        except ValueError:
            return None
        except RuntimeError:  # it ended between the look and the call
            raise self._failure or Failed("the association ended") from None
        raise Failed("no answer to C-FIND")

    def _answers(
        self, responses: Iterable[tuple[Dataset, Dataset | None]], name: str
    ) -> Iterator[tuple[Dataset, Dataset | None]]:
        for status, identifier in responses:
            if "Status" not in status:
                raise self._failure or Failed(f"no answer to {name}, or the association broke")
            yield status, identifier

    def _established(self) -> Association:
        if self._association is None or not self._association.is_established:
            raise self._failure or Failed("the association ended")
        return self._association

    # -- C-GET's sub-operations, on the thread that waits for its responses

    def _keep(self, event: evt.Event) -> int:
        """Keep one image; the status that the source is answered with."""
        request = event.request
        encoded = request.DataSet.getvalue() if request.DataSet is not None else b""
        announced = Announced(
            str(request.AffectedSOPClassUID),
            str(request.AffectedSOPInstanceUID),
            str(event.context.transfer_syntax),
            self._source.name,
            self._ae_title,
        )
        self._arriving = 0
        self._budget.take(len(encoded))
        try:
            self._budget.check()
            self._intake.keep(announced, [encoded])
        except Failed as error:
            self._fail(event, error)
            return OUT_OF_RESOURCES
        except Refused as refused:
            self._refusal = refused
            return refused.status
        except Exception as error:
            self._refusal = Refused(CANNOT_UNDERSTAND, describe_fault(error))
            return CANNOT_UNDERSTAND
        return 0x0000

    def _count(self, event: evt.Event) -> None:
        """End an image that grows beyond what may be fetched; pynetdicom would hold all of it."""
        self._arriving += len(event.data)
        try:
            self._budget.check(self._arriving)
        except Failed as error:
            self._fail(event, error)

    def _fail(self, event: evt.Event, error: Failed) -> None:
        if self._failure is None:
            self._failure = error
            _cut(event.assoc)


def _cut(association: Association) -> None:
    """End an association from any thread, so that whoever waits for an answer learns of it.

    pynetdicom's own abort can leave that thread waiting for the whole time-out; the end of the
    connection, which is an abort too (PS3.8 9.2.3, AA-4), does not.
    """
    with contextlib.suppress(AttributeError):  # it has ended by itself
        OpenSockets.end(association.dul.socket.socket)
