"""The node commits to what it has, index and file, and says of all else that it has not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_messages import N_EVENT_REPORT_RSP
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)
from sqlalchemy import select

from dicomnode.commit.provider import CommitmentProvider
from dicomnode.explain import explain
from dicomnode.reactor_pause import ReactorPause
from dicomnode.receive.scp import StorageSCP
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.settings import NodeSettings
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import ReportState
from dicomnode.store.tables import CommitmentReport, Instance
from dicomnode.timing import CallScheduler
from dicomnode.woken_thread import DueThread
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.receive.loopback import ct

PATIENCE_S = 240.0
NO_SUCH_OBJECT, CONFLICT = 0x0112, 0x0119


class Archive:
    """The receiving half of a node, with its commitment."""

    def __init__(self, database, root: Path, **sections) -> None:
        self.database = database
        settings = NodeSettings(
            store={"path": root, "reserve_mb": 0},
            retry={"first_wait_s": 0.2, "factor": 1.0},
            **sections,
        )
        self._scheduler = CallScheduler()
        self._provider = CommitmentProvider(database, self._scheduler, settings, self._take)
        self._scp = StorageSCP(
            ReceiverSettings(host="127.0.0.1", port=0, ae_title="DICOMNODE"),
            FileStore(root, 0),
            InstanceIndex(database, CT_CLASSES),
            None,
            self._provider,
        )

    def _take(self, *_: object) -> None:
        raise AssertionError("nobody reports here")

    @property
    def port(self) -> int:
        return self._scp.port

    def reports(self) -> list[CommitmentReport]:
        with self.database.read() as session:
            return list(session.scalars(select(CommitmentReport).order_by(CommitmentReport.id)))

    def path(self, dataset: Dataset) -> Path:
        with self.database.read() as session:
            return Path(session.get_one(Instance, str(dataset.SOPInstanceUID)).path)

    def __enter__(self):
        self._scheduler.start()
        self._provider.start()
        self._scp.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """As the node does."""
        self._provider.ask_to_stop()
        self._scp.stop()
        self._provider.stop()
        if self._scheduler.running:
            self._scheduler.shutdown()

    @property
    def stopping(self) -> bool:
        """Whether every association has been told to end."""
        sessions = self._scp._admission.sessions
        return bool(sessions) and all(session.stopping for session in sessions)


class Sender:
    """A modality: sends CT, asks for commitment, and takes reports in both ways."""

    AE_TITLE = "MODALITY"

    def __init__(self, port: int) -> None:
        self.port = port
        self.reports: list[tuple[int, Dataset]] = []
        self.report_status = 0x0000
        self.may_answer = threading.Event()
        """Set unless a test keeps the node waiting for the answer to its report."""
        self.may_answer.set()
        self._came = threading.Event()
        self._answered = threading.Event()
        self._server = None

    def listen(self, port: int = 0, roles: bool = True) -> int:
        ae = AE(ae_title=self.AE_TITLE)
        ae.add_supported_context(
            StorageCommitmentPushModel, scu_role=roles or None, scp_role=roles or None
        )
        self._server = ae.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)]
        )
        return self._server.socket.getsockname()[1]

    def shut(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    def _take(self, event: evt.Event) -> tuple[int, None]:
        self.reports.append((event.event_type, event.event_information))
        self.may_answer.wait()
        if self.report_status == 0x0000:
            self._came.set()
        return self.report_status, None

    def _sent(self, event: evt.Event) -> None:
        if isinstance(event.message, N_EVENT_REPORT_RSP):
            self._answered.set()

    def send(self, *datasets: Dataset) -> None:
        ae = AE(ae_title=self.AE_TITLE)
        ae.add_requested_context(CTImageStorage)
        association = ae.associate("127.0.0.1", self.port, ae_title="DICOMNODE")
        for dataset in datasets:
            dataset.file_meta = _meta()
            assert association.send_c_store(dataset).Status == 0x0000
        association.release()

    def ask(self, request: Dataset, stay: bool = True, action: int = 1) -> int:
        """Ask; with `stay`, keep the association until a report was answered."""
        self._answered.clear()
        ae = AE(ae_title=self.AE_TITLE)
        ae.add_requested_context(StorageCommitmentPushModel)
        association = ae.associate(
            "127.0.0.1",
            self.port,
            ae_title="DICOMNODE",
            evt_handlers=[
                (evt.EVT_N_EVENT_REPORT, self._take),
                (evt.EVT_DIMSE_SENT, self._sent),
            ],
        )
        assert association.is_established
        # The report comes so soon that pynetdicom's own pause may miss it.
        ReactorPause(association).put_in_place()
        status, _ = association.send_n_action(
            request, action, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        if stay and status.Status == 0x0000:
            assert self._answered.wait(PATIENCE_S)
        association.release()
        return int(status.Status)

    def wait(self) -> None:
        assert self._came.wait(PATIENCE_S)


def _meta() -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def request_for(*datasets: Dataset, transaction: str = "1.2.3.4.5") -> Dataset:
    request = Dataset()
    request.TransactionUID = transaction
    items = []
    for dataset in datasets:
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        items.append(item)
    request.ReferencedSOPSequence = items
    return request


def committed(report: Dataset) -> set[str]:
    return {str(i.ReferencedSOPInstanceUID) for i in report.get("ReferencedSOPSequence", [])}


def failed(report: Dataset) -> dict[str, int]:
    return {
        str(i.ReferencedSOPInstanceUID): i.FailureReason
        for i in report.get("FailedSOPSequence", [])
    }


@pytest.fixture
def archive(database, tmp_path):
    with Archive(database, tmp_path / "store") as archive:
        yield archive


def peers(port: int) -> dict:
    peer = {"ae_title": Sender.AE_TITLE, "host": "127.0.0.1", "port": port}
    return {"commitment": {"peers": [peer]}}


def test_it_commits_to_what_it_has_on_the_same_association(archive):
    sender = Sender(archive.port)
    slices = [ct() for _ in range(3)]
    sender.send(*slices)
    assert sender.ask(request_for(*slices)) == 0x0000
    ((event_type, report),) = sender.reports
    assert event_type == 1
    assert report.TransactionUID == "1.2.3.4.5"
    assert committed(report) == {s.SOPInstanceUID for s in slices}
    assert "FailedSOPSequence" not in report
    until(lambda: archive.reports()[0].state is ReportState.REPORTED, "the answer")
    assert archive.reports()[0].failures == 0


def test_what_is_not_there_is_said_to_fail_and_why(archive):
    sender = Sender(archive.port)
    here, deleted, cut, of_another_class = (ct() for _ in range(4))
    sender.send(here, deleted, cut, of_another_class)
    archive.path(deleted).unlink()
    with open(archive.path(cut), "r+b") as file:
        file.truncate(500)
    never = ct()
    of_another_class.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    request = request_for(here, deleted, cut, of_another_class, never)
    assert sender.ask(request) == 0x0000
    ((event_type, report),) = sender.reports
    assert event_type == 2
    assert committed(report) == {here.SOPInstanceUID}
    assert failed(report) == {
        deleted.SOPInstanceUID: NO_SUCH_OBJECT,
        cut.SOPInstanceUID: NO_SUCH_OBJECT,
        of_another_class.SOPInstanceUID: CONFLICT,
        never.SOPInstanceUID: NO_SUCH_OBJECT,
    }


def told(archive: Archive, uid: str) -> str:
    with archive.database.read() as session:
        return "\n".join(explain(session, str(uid)))


def test_explain_says_who_asked_for_an_object_and_what_they_were_told(archive):
    sender = Sender(archive.port)
    here, never, unasked = ct(), ct(), ct()
    sender.send(here, unasked)
    assert sender.ask(request_for(here, never)) == 0x0000
    until(lambda: archive.reports()[0].state is ReportState.REPORTED, "the answer")
    assert "asked for by MODALITY" in told(archive, here.SOPInstanceUID)
    assert "transaction 1.2.3.4.5: committed, told" in told(archive, here.SOPInstanceUID)
    of_never = told(archive, never.SOPInstanceUID)
    assert of_never.startswith(f"{never.SOPInstanceUID}: not received here")
    assert "not committed: 0x0112 no such object instance, told" in of_never
    assert "commitment" not in told(archive, unasked.SOPInstanceUID)
    # It comes after all, and the same request is made again.
    sender.send(never)
    assert sender.ask(request_for(here, never)) == 0x0000
    until(lambda: archive.reports()[0].failures == 0, "the second report")
    assert "1.2.3.4.5: committed" in told(archive, never.SOPInstanceUID)


def test_explain_says_who_could_not_be_told(database, tmp_path):
    sender = Sender(0)
    port = sender.listen()
    sender.shut()
    with Archive(database, tmp_path / "store", **peers(port)) as archive:
        sender.port = archive.port
        made = ct()
        sender.send(made)
        assert sender.ask(request_for(made), stay=False) == 0x0000
        until(lambda: archive.reports()[0].attempts > 1, "repeats")
        text = told(archive, made.SOPInstanceUID)
    assert "to be told after" in text
    assert "could not be reached" in text


def test_a_report_of_many_objects_goes_in_as_many_pieces_as_the_peer_takes(archive):
    sender = Sender(archive.port)
    template = ct()
    asked = [Dataset() for _ in range(1500)]
    for number, dataset in enumerate(asked):
        dataset.SOPClassUID = template.SOPClassUID
        dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.10.10.{number}"
    assert sender.ask(request_for(*asked)) == 0x0000
    ((_, report),) = sender.reports
    assert failed(report) == {d.SOPInstanceUID: NO_SUCH_OBJECT for d in asked}


@pytest.mark.parametrize("roles", [True, False])
def test_a_peer_that_is_configured_is_told_on_an_association_of_its_own(database, tmp_path, roles):
    sender = Sender(0)
    port = sender.listen(roles=roles)
    with Archive(database, tmp_path / "store", **peers(port)) as archive:
        sender.port = archive.port
        made = ct()
        sender.send(made)
        # It releases at once, as many do.
        assert sender.ask(request_for(made), stay=False) == 0x0000
        sender.wait()
        until(lambda: archive.reports()[0].state is ReportState.REPORTED, "the answer")
        sender.shut()
    ((event_type, report),) = sender.reports
    assert (event_type, committed(report)) == (1, {made.SOPInstanceUID})


def test_a_report_survives_a_restart_and_a_peer_that_is_away(database, tmp_path):
    sender = Sender(0)
    port = sender.listen()
    sender.shut()
    with Archive(database, tmp_path / "store", **peers(port)) as archive:
        sender.port = archive.port
        made = ct()
        sender.send(made)
        assert sender.ask(request_for(made), stay=False) == 0x0000
        until(lambda: archive.reports()[0].attempts > 1, "repeats")
    assert archive.reports()[0].state is ReportState.QUEUED
    sender.listen(port)
    with Archive(database, tmp_path / "store", **peers(port)) as archive:
        sender.wait()
        until(lambda: archive.reports()[0].state is ReportState.REPORTED, "the answer")
        sender.shut()
    assert committed(sender.reports[-1][1]) == {made.SOPInstanceUID}


def test_a_peer_that_refuses_the_report_is_not_told_for_ever(database, tmp_path):
    sender = Sender(0)
    sender.report_status = 0x0115
    port = sender.listen()
    with Archive(database, tmp_path / "store", **peers(port)) as archive:
        sender.port = archive.port
        assert sender.ask(request_for(ct()), stay=False) == 0x0000
        until(lambda: archive.reports()[0].state is ReportState.REFUSED, "the refusal")
        sender.shut()
    assert len(sender.reports) == 1
    assert archive.reports()[0].status == 0x0115


def test_the_same_request_again_is_reported_again_and_another_under_its_uid_is_refused(archive):
    sender = Sender(archive.port)
    made, other = ct(), ct()
    sender.send(made, other)
    assert sender.ask(request_for(made)) == 0x0000
    assert sender.ask(request_for(made)) == 0x0000
    until(lambda: len(sender.reports) == 2, "both reports")
    assert sender.ask(request_for(made, other)) == 0x0115
    assert len(archive.reports()) == 1


@pytest.mark.parametrize("case", ["no objects", "no transaction", "another action"])
def test_a_request_that_cannot_be_used_is_refused(archive, case):
    sender = Sender(archive.port)
    request = request_for(ct())
    action = 1
    if case == "no objects":
        del request.ReferencedSOPSequence
    elif case == "no transaction":
        del request.TransactionUID
    else:
        action = 2
    expected = 0x0123 if case == "another action" else 0x0115
    assert sender.ask(request, action=action) == expected
    assert archive.reports() == []


def test_too_many_objects_in_one_request_are_refused(database, tmp_path):
    limit = {"commitment": {"max_instances": 2}}
    with Archive(database, tmp_path / "store", **limit) as archive:
        sender = Sender(archive.port)
        assert sender.ask(request_for(ct(), ct(), ct())) == 0x0213


def test_a_node_that_is_not_to_serve_says_so(database, tmp_path):
    with Archive(database, tmp_path / "store", commitment={"serve": False}) as archive:
        sender = Sender(archive.port)
        made = ct()
        sender.send(made)
        assert sender.ask(request_for(made)) == 0x0124


def test_roles_are_negotiated_for_commitment_and_for_nothing_else(archive):
    ae = AE(ae_title="PEER")
    ae.add_requested_context(StorageCommitmentPushModel)
    ae.add_requested_context(CTImageStorage)
    association = ae.associate(
        "127.0.0.1",
        archive.port,
        ae_title="DICOMNODE",
        ext_neg=[
            build_role(StorageCommitmentPushModel, scp_role=True),
            build_role(CTImageStorage, scp_role=True, scu_role=True),
        ],
    )
    roles = {c.abstract_syntax: (c.as_scu, c.as_scp) for c in association.accepted_contexts}
    association.release()
    assert roles == {StorageCommitmentPushModel: (False, True), CTImageStorage: (True, False)}


def test_a_stop_lets_the_answer_to_a_report_come(archive):
    sender = Sender(archive.port)
    made = ct()
    sender.send(made)
    sender.may_answer.clear()
    asking = threading.Thread(target=sender.ask, args=[request_for(made)], daemon=True)
    asking.start()
    until(lambda: sender.reports, "the report")
    stop = threading.Thread(target=archive.stop, daemon=True)
    stop.start()
    until(lambda: archive.stopping, "the stop")
    sender.may_answer.set()
    stop.join(PATIENCE_S)
    assert not stop.is_alive()
    assert archive.reports()[0].state is ReportState.REPORTED


def test_a_peer_that_hangs_holds_up_no_stop_and_is_told_after_it(database, tmp_path, monkeypatch):
    monkeypatch.setattr(DueThread, "grace_s", 0.0)
    sender = Sender(0)
    port = sender.listen()
    sender.may_answer.clear()
    settings = peers(port)
    settings["commitment"]["peers"][0]["response_timeout_s"] = 4 * PATIENCE_S
    with Archive(database, tmp_path / "store", **settings) as archive:
        sender.port = archive.port
        made = ct()
        sender.send(made)
        assert sender.ask(request_for(made), stay=False) == 0x0000
        until(lambda: sender.reports, "the report")
        stop = threading.Thread(target=archive.stop, daemon=True)
        stop.start()
        stop.join(PATIENCE_S)
        assert not stop.is_alive()
    assert archive.reports()[0].state is ReportState.QUEUED
    sender.may_answer.set()
    with Archive(database, tmp_path / "store", **settings) as archive:
        until(lambda: archive.reports()[0].state is ReportState.REPORTED, "the answer")
        sender.shut()
    assert committed(sender.reports[-1][1]) == {made.SOPInstanceUID}
