"""What a destination accepts is what it said when it was asked, or is called not known."""

from __future__ import annotations

import os

from pydicom.uid import (
    ComprehensiveSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SegmentationStorage,
)
from pynetdicom import AE
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from benchmarks.peers.ports import free_port
from dicomnode.deliver import capabilities, outbox
from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.probe import probe
from dicomnode.deliver.prober import Prober
from dicomnode.deliver.result_classes import RESULT_CLASSES
from dicomnode.results.ladder import LADDER
from dicomnode.settings import (
    DicomDestination,
    FolderDestination,
    NodeSettings,
    RetrySettings,
    StowDestination,
)
from dicomnode.store.tables import Probe
from dicomnode.timing import CallScheduler
from tests.dicomnode.deliver.results_on_disk import queue, segs, until
from tests.dicomnode.deliver.stand_in_server import StandInServer


class Peer:
    """Accepts SEG compressed and explicit, and verification."""

    def __init__(self, *classes: str) -> None:
        ae = AE(ae_title="PEER")
        ae.add_supported_context(Verification)
        for sop_class in classes:
            ae.add_supported_context(sop_class, [JPEGLSLossless, ExplicitVRLittleEndian])
        self._server = ae.start_server(("127.0.0.1", 0), block=False)

    def __enter__(self) -> DicomDestination:
        return destination(self._server.socket.getsockname()[1])

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()


def destination(port: int, **changes: object) -> DicomDestination:
    values = {"name": "pacs", "ae_title": "PEER", "host": "127.0.0.1", "port": port}
    return DicomDestination(**(values | changes))


def remember(database, peer) -> None:
    with database.write() as session:
        capabilities.record(session, peer, probe(peer, "NODE"))


def accepts(database, peer, sop_class: str) -> capabilities.Acceptance:
    with database.read() as session:
        return capabilities.accepts(session, peer, str(sop_class))


def test_every_class_is_proposed_in_every_syntax_alone():
    with Peer(SegmentationStorage) as peer:
        outcome = probe(peer, "NODE")
    assert outcome.answered
    cells = {(o.sop_class_uid, o.transfer_syntax_uid): o.accepted for o in outcome.offers}
    for sop_class, syntaxes in RESULT_CLASSES.items():
        for syntax in syntaxes:
            expected = sop_class == SegmentationStorage and syntax in (
                JPEGLSLossless,
                ExplicitVRLittleEndian,
            )
            assert cells[sop_class, syntax] is expected
    assert cells[Verification, ImplicitVRLittleEndian]
    assert not cells[StorageCommitmentPushModel, ImplicitVRLittleEndian]
    assert f"1 of {len(RESULT_CLASSES)}" in outcome.words


def test_every_kind_of_result_is_among_what_is_proposed():
    assert {rung.sop_class_uid for rung in LADDER.values()} <= set(RESULT_CLASSES)


def test_answers_are_remembered_and_say_why(database):
    with Peer(SegmentationStorage) as peer:
        assert accepts(database, peer, SegmentationStorage).answer is None
        remember(database, peer)
        yes = accepts(database, peer, SegmentationStorage)
        no = accepts(database, peer, ComprehensiveSRStorage)
    assert yes.answer is True
    assert set(yes.transfer_syntaxes) == {JPEGLSLossless, ExplicitVRLittleEndian}
    assert no.answer is False
    assert "did not accept Comprehensive SR Storage" in no.why
    # Of a class that is not among the results nothing was asked.
    assert accepts(database, peer, "1.2.840.10008.5.1.4.1.1.128").answer is None
    with Peer() as other:  # the same name, and somebody else
        elsewhere = other.model_copy(update={"name": peer.name})
        assert accepts(database, elsewhere, SegmentationStorage).answer is None
        remember(database, elsewhere)
        assert accepts(database, elsewhere, SegmentationStorage).answer is False


def test_a_destination_that_is_away_keeps_what_it_said(database):
    with Peer(SegmentationStorage) as peer:
        remember(database, peer)
    remember(database, peer)
    assert accepts(database, peer, SegmentationStorage).answer is True
    with database.read() as session:
        last = capabilities.last_probe(session, peer)
        assert "could not be reached" in session.get_one(Probe, "pacs").words
    assert not last.answered


def test_what_was_taken_before_is_known_too(database, tmp_path):
    server = StowDestination(name="web", kind="stow-rs", url="http://127.0.0.1:1/dicom-web")
    assert accepts(database, server, SegmentationStorage).answer is None
    (delivery_id,) = queue(database, segs(1, tmp_path / "results"), "web")
    with database.write() as session:
        outbox.begin(session, delivery_id)
        outbox.record(session, delivery_id, Answer(Verdict.ACCEPTED, "success", 0), RetrySettings())
    known = accepts(database, server, SegmentationStorage)
    assert known.answer is True
    assert "it took one on" in known.why


def test_a_web_server_and_a_folder_say_only_that_they_are_there(database, tmp_path):
    with StandInServer() as server:
        web = StowDestination(name="web", kind="stow-rs", url=server.url)
        server.pages["/dicom-web/studies"] = (200, b"[]", "application/dicom+json")
        assert probe(web, "NODE").answered
        server.pages.clear()
        assert not probe(web, "NODE").answered
    assert not probe(web, "NODE").answered
    folder = FolderDestination(name="drop", kind="folder", path=tmp_path / "drop")
    assert not probe(folder, "NODE").answered
    folder.path.mkdir()
    assert probe(folder, "NODE").answered
    assert accepts(database, folder, SegmentationStorage).answer is True


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    folder = FolderDestination(name="drop", kind="folder", path=tmp_path)
    assert "cannot be written" in probe(folder, "NODE").words


def test_destinations_are_probed_at_the_start_and_again(database):
    with Peer(SegmentationStorage) as peer:
        away = destination(free_port(), name="away", ae_title="AWAY")
        settings = NodeSettings(
            destinations=[peer.model_dump(), away.model_dump()],
            probe={"every_h": 1 / 3600 / 4},
        )
        scheduler = CallScheduler()
        scheduler.start()
        prober = Prober(database, scheduler, settings)
        prober.start()

        def last(one):
            with database.read() as session:
                return capabilities.last_probe(session, one)

        try:
            until(lambda: last(peer) and last(away), "the first probes")
            first = last(peer).attempted_at
            until(lambda: last(peer).attempted_at > first, "another probe")
        finally:
            prober.stop()
            scheduler.shutdown()
    assert last(peer).answered
    assert not last(away).answered
