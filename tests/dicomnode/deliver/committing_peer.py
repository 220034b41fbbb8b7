"""A pynetdicom peer that stores, and reports its commitments as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SegmentationStorage,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_messages import N_ACTION_RSP
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

Judge = Callable[[str], int | None]
"""Failure reason of an object, None where it is committed."""


def commit_all(_sop_instance_uid: str) -> None:
    """Commit to everything."""


class CommittingPeer:
    """Listens on loopback.

    Parameters
    ----------
    way : str
        "same" (on the association of the request), "never", or "later": when `report` is called.
    judge : callable
    action_status : int
        What N-ACTION is answered with.
    """

    AE_TITLE = "PEER"

    def __init__(
        self, way: str = "same", judge: Judge = commit_all, action_status: int = 0x0000
    ) -> None:
        self.way = way
        self.judge = judge
        self.action_status = action_status
        self.kept: dict[str, Dataset] = {}
        self.stores: list[str] = []
        self.requests: list[Dataset] = []
        self.answers: list[int] = []
        """To the reports."""
        self.hangs = False
        """Whether requests and objects are answered only once it is shut."""
        self._shut = threading.Event()
        self._ae = AE(ae_title=self.AE_TITLE)
        self._ae.add_supported_context(
            SegmentationStorage, [JPEGLSLossless, ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        )
        self._ae.add_supported_context(StorageCommitmentPushModel)

    @property
    def port(self) -> int:
        return self._server.socket.getsockname()[1]

    def __enter__(self) -> Self:
        self._server = self._ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[
                (evt.EVT_C_STORE, self._store),
                (evt.EVT_N_ACTION, self._asked),
                (evt.EVT_DIMSE_SENT, self._answered),
            ],
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._shut.set()
        self._server.shutdown()

    def _hang(self) -> None:
        if self.hangs:
            self._shut.wait()

    def _store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.stores.append(uid)
        self._hang()
        self.kept[uid] = event.dataset
        return 0x0000

    def _asked(self, event: evt.Event) -> tuple[int, None]:
        self.requests.append(event.action_information)
        self._hang()
        return self.action_status, None

    def _answered(self, event: evt.Event) -> None:
        """Report on the association of a request, once that was answered."""
        taken = isinstance(event.message, N_ACTION_RSP) and self.action_status == 0x0000
        if taken and self.way == "same":
            arguments = (event.assoc, self.requests[-1])
            threading.Thread(target=self._send, args=arguments, daemon=True).start()

    def _send(self, association, request: Dataset) -> None:
        report, event_type = self.outcome(request)
        try:
            status, _ = association.send_n_event_report(
                report, event_type, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
        except RuntimeError:  # the association has ended
            status = Dataset()
        self.answers.append(int(status.Status) if "Status" in status else -1)

    def outcome(self, request: Dataset) -> tuple[Dataset, int]:
        """The Event Information and event type that answer a request."""
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        committed, failed = [], []
        for asked in request.ReferencedSOPSequence:
            item = Dataset()
            item.ReferencedSOPClassUID = asked.ReferencedSOPClassUID
            item.ReferencedSOPInstanceUID = asked.ReferencedSOPInstanceUID
            reason = self.judge(str(asked.ReferencedSOPInstanceUID))
            if reason is None:
                committed.append(item)
            else:
                item.FailureReason = reason
                failed.append(item)
        if committed:
            report.ReferencedSOPSequence = committed
        if failed:
            report.FailedSOPSequence = failed
        return report, 2 if failed else 1

    def report(self, request: Dataset, port: int, role: bool = True) -> int | None:
        """Report on an association of its own, as the SCP; the status of the answer.

        None where nobody takes the association, -1 where no answer came.
        """
        ae = AE(ae_title=self.AE_TITLE)
        ae.add_requested_context(StorageCommitmentPushModel)
        ae.connection_timeout = 5
        association = ae.associate(
            "127.0.0.1",
            port,
            ae_title="DICOMNODE",
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)] if role else [],
        )
        if not association.is_established:
            return None
        if not role:  # what a peer that knows nothing of roles does
            for context in association.accepted_contexts:
                context._as_scp = True
        try:
            self._send(association, request)
        finally:
            association.release()
        return self.answers[-1]
