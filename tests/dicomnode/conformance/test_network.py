"""The statement is true over a real socket: what it lists is accepted and proposed, and no more."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest
from pydicom.uid import UID, generate_uid
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_role, evt
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import (
    PatientRootQueryRetrieveInformationModelFind,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from dicomnode.commit.information import CommitmentRequest, Reference, request_dataset
from dicomnode.commit.provider import CommitmentProvider
from dicomnode.conformance.specimens import specimens
from dicomnode.deliver import commitment_scu, probe, store_scu
from dicomnode.deliver.confirmation import ToRead
from dicomnode.deliver.parcel import Parcel
from dicomnode.deliver.read_back import read_back
from dicomnode.node import Node
from dicomnode.retrieve import probe as source_probe
from dicomnode.retrieve.budget import Arrivals, Budget
from dicomnode.retrieve.query_retrieve import DicomAsking
from dicomnode.retrieve.source import Failed
from dicomnode.settings import DicomDestination, DicomSource, NodeSettings, RetrieveSettings
from dicomnode.store.database import Database
from dicomnode.timing import CallScheduler
from tests.dicomnode.conformance.published import published_tables

PATIENCE_S = 240.0
TABLES = published_tables()
SYNTAXES = {row["Short name"]: row["UID"] for row in TABLES["transfer-syntaxes"]}
ACCEPTED = {
    row["UID"]: [
        SYNTAXES[name] for name in row["Transfer syntaxes, the preferred first"].split("; ")
    ]
    for row in TABLES["accepted-contexts"]
}

Pair = tuple[str, str]


# -- as acceptor


@pytest.fixture(scope="module")
def node(tmp_path_factory) -> Iterator[Node]:
    settings = NodeSettings(
        store={"path": tmp_path_factory.mktemp("node"), "reserve_mb": 0},
        listen={"host": "127.0.0.1", "port": 0},
        segment={"processes": 1},
    )
    with Node(settings) as running:
        yield running


def accepted_of(node: Node, pairs: Iterable[Pair]) -> set[Pair]:
    """Which SOP classes the node accepts in which transfer syntaxes, each proposed alone."""
    found: set[Pair] = set()
    title = next(r["As acceptor"] for r in TABLES["associations"] if r["Parameter"] == "AE title")
    pairs = list(pairs)
    for start in range(0, len(pairs), 128):
        ae = AE(ae_title="PEER")
        some = pairs[start : start + 128]
        ae.requested_contexts = [build_context(uid, syntax) for uid, syntax in some]
        association = ae.associate("127.0.0.1", node.port, ae_title=title)
        # With nothing accepted, pynetdicom aborts.
        assert association.is_established or association.rejected_contexts
        found |= {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}
        if association.is_established:
            association.release()
    return found


def test_every_listed_context_is_accepted(node):
    listed = {(uid, syntax) for uid, syntaxes in ACCEPTED.items() for syntax in syntaxes}
    assert len(listed) > 50
    assert accepted_of(node, sorted(listed)) == listed


def test_no_other_transfer_syntax_of_a_listed_class_is_accepted(node):
    others = [
        (uid, str(syntax))
        for uid, syntaxes in ACCEPTED.items()
        for syntax in ALL_TRANSFER_SYNTAXES
        if syntax not in syntaxes
    ]
    assert len(others) > 100
    assert accepted_of(node, others) == set()


def test_no_other_class_is_accepted(node):
    known = {str(context.abstract_syntax) for context in AllStoragePresentationContexts}
    known |= {
        str(PatientRootQueryRetrieveInformationModelFind),
        str(StudyRootQueryRetrieveInformationModelFind),
    }
    others = [(uid, SYNTAXES["Explicit LE"]) for uid in sorted(known - ACCEPTED.keys())]
    assert len(others) > 100
    assert accepted_of(node, others) == set()


@pytest.mark.parametrize("row", TABLES["accepted-contexts"], ids=lambda row: row["SOP class"])
def test_the_listed_syntax_is_preferred_and_the_listed_role_taken(node, row):
    ae = AE(ae_title="PEER")
    # Back to front: the choice is the node's.
    ae.add_requested_context(row["UID"], ACCEPTED[row["UID"]][::-1])
    role = build_role(row["UID"], scu_role=True, scp_role=True)
    association = ae.associate("127.0.0.1", node.port, ae_title="DICOMNODE", ext_neg=[role])
    assert association.is_established
    (context,) = association.accepted_contexts
    association.release()
    assert context.transfer_syntax == [ACCEPTED[row["UID"]][0]]
    assert (context.as_scu, context.as_scp) == (True, row["Role"] == "SCP and SCU")


# -- as initiator


class Recorder:
    """An SCP that writes down what it is asked for, and accepts next to nothing."""

    def __init__(self) -> None:
        self.asked: list[set[tuple[str, tuple[str, ...], str]]] = []
        ae = AE(ae_title="RECORDER")
        # Nothing that the node asks for, so that each activity ends here.
        ae.add_supported_context("1.2.840.10008.5.1.4.31")
        self._server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_REQUESTED, self._record)]
        )
        self.peer = {
            "ae_title": "RECORDER",
            "host": "127.0.0.1",
            "port": self._server.socket.getsockname()[1],
        }

    def _record(self, event: evt.Event) -> None:
        request = event.assoc.requestor.primitive
        provides = {
            str(item.sop_class_uid)
            for item in request.user_information
            if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.scp_role
        }
        self.asked.append(
            {
                (
                    str(context.abstract_syntax),
                    tuple(map(str, context.transfer_syntax)),
                    "SCP" if context.abstract_syntax in provides else "SCU",
                )
                for context in request.presentation_context_definition_list
            }
        )

    def close(self) -> None:
        self._server.shutdown()

    @property
    def destination(self) -> DicomDestination:
        return DicomDestination(name="pacs", verify="find", **self.peer)

    def source(self, kind: str) -> DicomSource:
        return DicomSource(name="ARCHIVE", kind=kind, **self.peer)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.close()


def listed() -> dict[str, set[tuple[str, tuple[str, ...], str]]]:
    """Contexts and roles of each activity, by the table."""
    found = defaultdict(set)
    for row in TABLES["proposed-contexts"]:
        for context in row["Transfer syntaxes"].split("; "):
            syntaxes = tuple(SYNTAXES[name] for name in context.split(" or "))
            found[row["Activity"]].add((row["UID"], syntaxes, row["Role of the node"]))
    return found


def deliver(recorder: Recorder, tmp_path) -> None:
    parcels = []
    for number, (kind, made) in enumerate(specimens().made.items()):
        made.save_as(tmp_path / kind, enforce_file_format=True)
        parcels.append(Parcel(number, str(made.SOPClassUID), tmp_path / kind))
    assert len(list(store_scu.send(parcels, recorder.destination, "NODE"))) == len(parcels)


def ask_for_commitment(recorder: Recorder, tmp_path) -> None:
    request = CommitmentRequest(generate_uid(), (Reference("1.2.3", "1.2.4"),))
    commitment_scu.ask(request, recorder.destination, "NODE", lambda *_: None, lambda: None)


def report_commitment(recorder: Recorder, tmp_path) -> None:
    settings = NodeSettings(
        store={"path": tmp_path, "reserve_mb": 0}, commitment={"peers": [recorder.peer]}
    )
    database = Database(settings.store.url)
    database.upgrade()
    scheduler = CallScheduler()
    scheduler.start()
    provider = CommitmentProvider(database, scheduler, settings, lambda *_: None)
    provider.start()
    try:
        request = CommitmentRequest(generate_uid(), (Reference("1.2.3", "1.2.4"),))
        provider.requested("RECORDER", "NODE", 1, request_dataset(request))
        end = time.monotonic() + PATIENCE_S
        while not recorder.asked:
            assert time.monotonic() < end, "no report"
            time.sleep(0.02)
    finally:
        provider.stop()
        scheduler.shutdown()
        database.close()


def read(recorder: Recorder, tmp_path, verify: str) -> None:
    wanted = []
    for number, (kind, made) in enumerate(specimens().made.items()):
        made.save_as(tmp_path / kind, enforce_file_format=True)
        uids = str(made.SOPClassUID), str(made.SOPInstanceUID)
        wanted.append(ToRead(number, *uids, tmp_path / kind))
    destination = recorder.destination.model_copy(update={"verify": verify})
    list(read_back(wanted, destination, "NODE"))


def retrieve(recorder: Recorder, kind: str) -> None:
    budget = Budget(RetrieveSettings(), threading.Event())
    asking = DicomAsking(recorder.source(kind), "NODE", None, Arrivals(), budget)
    with contextlib.suppress(Failed), asking:
        pass


DOING = {
    "check a destination": lambda r, _: store_scu.echo(r.destination, "NODE"),
    "deliver results": deliver,
    "probe a destination": lambda r, _: probe.probe(r.destination, "NODE"),
    "ask for storage commitment": ask_for_commitment,
    "report storage commitment": report_commitment,
    "read back results (C-FIND)": lambda r, path: read(r, path, "find"),
    "read back results (C-GET)": lambda r, path: read(r, path, "pixels"),
    "check a source (C-MOVE)": lambda r, _: source_probe.probe(r.source("c-move"), "NODE"),
    "check a source (C-GET)": lambda r, _: source_probe.probe(r.source("c-get"), "NODE"),
    "retrieve images (C-MOVE)": lambda r, _: retrieve(r, "c-move"),
    "retrieve images (C-GET)": lambda r, _: retrieve(r, "c-get"),
}


def test_every_listed_activity_is_tried():
    assert DOING.keys() == listed().keys()


@pytest.mark.parametrize("activity", DOING)
def test_what_is_proposed_is_what_is_listed(recorder, tmp_path, activity):
    DOING[activity](recorder, tmp_path)
    assert recorder.asked, "nothing was proposed"
    assert set().union(*recorder.asked) == listed()[activity]


def test_listed_roles_add_up():
    """The overview says SCU and SCP as the two tables of contexts do."""
    scp = set(ACCEPTED)
    scu = set()
    for activity, contexts in listed().items():
        for uid, _, role in contexts:
            if role == "SCP":
                scp.add(uid)
            elif activity != "probe a destination":
                scu.add(uid)
    for row in TABLES["network-services"]:
        assert (row["SCU"] == "Yes", row["SCP"] == "Yes") == (row["UID"] in scu, row["UID"] in scp)
        assert UID(row["UID"]).is_valid
    assert str(Verification) in scu
    assert str(StorageCommitmentPushModel) in scu & scp
