"""The node as its peers see it: real sockets, real workers, a stand-in for the PACS."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless
from sqlalchemy import select

from dicomnode.deliver.answer import Verdict
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.explain import explain
from dicomnode.node import Node
from dicomnode.settings import NodeSettings
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result
from tests.dicomnode.studies import send_to, study

PATIENCE_S = 240.0


def settings(tmp_path: Path, pacs_port: int, **changes: object) -> NodeSettings:
    values: dict[str, object] = {
        "store": {"path": tmp_path / "store", "reserve_mb": 0},
        "listen": {"host": "127.0.0.1", "port": 0},
        "collect": {"quiet_period_s": 1.0},
        "segment": {"processes": 1},
        "retry": {"first_wait_s": 0.3, "factor": 1.0},
        "destinations": [
            {
                "name": "pacs",
                "ae_title": "STANDINPACS",
                "host": "127.0.0.1",
                "port": pacs_port,
                "results": ["fractional-seg"],
            }
        ],
        "rules": [{"name": "all", "destinations": ["pacs"]}],
    }
    return NodeSettings(**(values | changes))


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.02)


def lesions(node: Node) -> list[Lesion]:
    with node.database.read() as session:
        return list(session.scalars(select(Lesion).order_by(Lesion.id)))


def deliveries(node: Node) -> list[Delivery]:
    with node.database.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def explained(node: Node, uid: str) -> str:
    with node.database.read() as session:
        return "\n".join(explain(session, uid))


@pytest.fixture
def pacs(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        yield pacs


@pytest.fixture
def node(tmp_path, pacs):
    with Node(settings(tmp_path, pacs.port)) as node:
        yield node


def segs(pacs: StandInPacs) -> list[hd.seg.Segmentation]:
    return [hd.seg.segread(path) for path in sorted(pacs.folder.glob("*.dcm"))]


def accepted(answers) -> bool:
    return all(answer.verdict is Verdict.ACCEPTED for answer in answers)


@pytest.mark.parametrize("mark_first", [False, True])
def test_a_mark_goes_in_and_a_soft_mask_comes_back(node, pacs, tmp_path, mark_first):
    made = study("both orders", centres=[(10, 20, 20), (13, 42, 40)])
    objects = [made.report, *made.ct] if mark_first else [*made.ct, made.report]
    assert accepted(send_to(node.port, objects, tmp_path / "out"))
    assert pacs.wait_for(2, PATIENCE_S)
    until(lambda: [d.state for d in deliveries(node)] == [DeliveryState.ACCEPTED] * 2, "acceptance")
    for seg in segs(pacs):
        assert seg.SegmentationType == "FRACTIONAL"
        assert seg.SegmentationFractionalType == "OCCUPANCY"
        assert seg.StudyInstanceUID == made.report.StudyInstanceUID
        assert seg.file_meta.TransferSyntaxUID == JPEGLSLossless
        volume = seg.get_volume(combine_segments=False)
        ml = float(volume.array.sum()) * volume.voxel_volume / 1000
        assert ml == pytest.approx(np.pi / 6 * 12**3 / 1000, rel=0.15)
    text = explained(node, made.report.SOPInstanceUID)
    assert text.count(": mark, taken") == 2
    assert text.count("drawn by 1 reader(s)") == 2
    assert text.count("to pacs: accepted") == 2


def test_the_same_mark_again_makes_nothing_new(node, pacs, tmp_path):
    made = study("again")
    send_to(node.port, [*made.ct, made.report], tmp_path / "out")
    assert pacs.wait_for(1, PATIENCE_S)
    until(lambda: lesions(node)[0].state is LesionState.PUBLISHED, "publishing")
    # The same object, the same mark in a new object, and the node's own result.
    again = study("again").report
    again.SOPInstanceUID = again.SOPInstanceUID + ".1"
    again.file_meta.MediaStorageSOPInstanceUID = again.SOPInstanceUID
    own = segs(pacs)[0]
    assert accepted(send_to(node.port, [made.report, again, own], tmp_path / "out2"))
    until(lambda: "made by this node" in explained(node, own.SOPInstanceUID), "examination")
    told = "the same as in another object"
    until(lambda: told in explained(node, again.SOPInstanceUID), "examination")
    assert len(lesions(node)) == len(deliveries(node)) == len(pacs.arrivals) == 1


def test_a_pacs_that_is_away_gets_its_result_when_it_is_back(tmp_path):
    with StandInPacs(tmp_path / "first") as pacs:
        port = pacs.port
    made = study("away")
    with Node(settings(tmp_path, port)) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: deliveries(node) and deliveries(node)[0].attempts > 1, "repeats")
        waiting = deliveries(node)[0]
        assert waiting.state is DeliveryState.QUEUED
        assert "could not be reached" in waiting.peer_words
        with StandInPacs(tmp_path / "second", port=port) as pacs:
            assert pacs.wait_for(1, PATIENCE_S)
            until(lambda: deliveries(node)[0].state is DeliveryState.ACCEPTED, "acceptance")
            assert len(pacs.arrivals) == 1


def test_a_refusal_is_kept_in_the_words_of_the_peer(tmp_path):
    with StandInPacs(tmp_path / "pacs", status=0xA900, comment="no such patient here") as pacs:
        made = study("refusal")
        with Node(settings(tmp_path, pacs.port)) as node:
            send_to(node.port, [*made.ct, made.report], tmp_path / "out")
            until(lambda: deliveries(node) and deliveries(node)[0].attempts, "the peer's answer")
            time.sleep(0.6)  # long enough for a repeat, which must not come
            delivery = deliveries(node)[0]
            assert delivery.state is DeliveryState.REFUSED
            assert delivery.attempts == 1
            assert "0xA900" in delivery.peer_words
            assert "no such patient here" in delivery.peer_words
            assert "no such patient here" in explained(node, made.report.SOPInstanceUID)


def test_a_dead_letter_is_sent_again_when_its_mark_is(tmp_path):
    made = study("dead letter")
    with StandInPacs(tmp_path / "first", status=0xC000) as pacs:
        port = pacs.port
        with Node(settings(tmp_path, port)) as node:
            send_to(node.port, [*made.ct, made.report], tmp_path / "out")
            until(lambda: [d.state for d in deliveries(node)] == [DeliveryState.REFUSED], "refusal")
    with (
        StandInPacs(tmp_path / "second", port=port) as pacs,
        Node(settings(tmp_path, port)) as node,
    ):
        time.sleep(0.5)  # long enough to be sent without being asked, which must not happen
        assert not pacs.arrivals
        send_to(node.port, [made.report], tmp_path / "again")
        assert pacs.wait_for(1, PATIENCE_S)
        until(lambda: deliveries(node)[0].state is DeliveryState.ACCEPTED, "acceptance")
        assert len(lesions(node)) == len(deliveries(node)) == 1


def test_a_destination_that_is_configured_no_longer_is_named(tmp_path):
    made = study("orphan")
    with StandInPacs(tmp_path / "pacs") as pacs:
        port = pacs.port
    with Node(settings(tmp_path, port)) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: deliveries(node) and deliveries(node)[0].attempts, "an attempt")
        with node.database.read() as session:
            text = "\n".join(explain(session, made.report.SOPInstanceUID, ["another"]))
    assert "to pacs: queued" in text
    assert "no destination of that name is configured" in text


def test_a_peer_without_jpeg_ls_gets_explicit_le(tmp_path):
    with StandInPacs(tmp_path / "pacs", takes_jpeg_ls=False) as pacs:
        made = study("plain")
        with Node(settings(tmp_path, pacs.port)) as node:
            send_to(node.port, [*made.ct, made.report], tmp_path / "out")
            assert pacs.wait_for(1, PATIENCE_S)
        (seg,) = segs(pacs)
        assert seg.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert seg.pixel_array.max() == 255


def test_a_mark_at_the_end_of_the_series_waits_for_quiet(node, pacs, tmp_path):
    made = study("edge", centres=[(2, 32, 32)])
    send_to(node.port, [*made.ct, made.report], tmp_path / "out")
    until(lambda: lesions(node), "examination")
    assert pacs.wait_for(1, PATIENCE_S)
    assert lesions(node)[0].warnings


def test_a_slice_that_never_comes_is_named(node, pacs, tmp_path):
    made = study("missing")
    send_to(node.port, [*made.ct[:12], *made.ct[13:], made.report], tmp_path / "out")
    key = made.ct[12].SOPInstanceUID
    until(lambda: f"{key} has not come" in explained(node, made.report.SOPInstanceUID), "reason")
    send_to(node.port, [made.ct[12]], tmp_path / "late")
    assert pacs.wait_for(1, PATIENCE_S)


def test_a_gap_is_waited_for_and_named(node, pacs, tmp_path):
    made = study("gap")
    send_to(node.port, [*made.ct[:14], *made.ct[15:], made.report], tmp_path / "out")
    until(lambda: "1 slice(s) are missing" in explained(node, made.report.SOPInstanceUID), "reason")
    assert lesions(node)[0].state is LesionState.WAITING
    send_to(node.port, [made.ct[14]], tmp_path / "late")
    assert pacs.wait_for(1, PATIENCE_S)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({12: {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}}, "localizer"),
        ({13: {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}}, "mixed orientations"),
        ({13: {"ImagePositionPatient": [-25, -30, 124]}}, "same position"),
        ({13: {"ImagePositionPatient": None}}, "have no position"),
        ({13: {"ImagePositionPatient": [-25, -30, 126.7]}}, "gaps differ"),
        ({12: {"PixelSpacing": None}}, "Pixel Spacing"),
    ],
)
def test_what_cannot_be_processed_says_why(node, pacs, tmp_path, overrides, reason):
    made = study(f"bad {reason}", overrides=overrides)
    assert accepted(send_to(node.port, [*made.ct, made.report], tmp_path / "out"))
    until(lambda: lesions(node) and lesions(node)[0].state is LesionState.REFUSED, "refusal")
    assert reason in explained(node, made.report.SOPInstanceUID)
    assert reason in explained(node, made.ct[12].SOPInstanceUID)
    assert not pacs.arrivals


def test_a_mark_that_no_rule_fits_is_refused_with_the_condition(tmp_path, pacs):
    rules = [{"name": "heads", "match": {"body_part": "HEAD"}, "destinations": ["pacs"]}]
    made = study("no rule")
    with Node(settings(tmp_path, pacs.port, rules=rules)) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: lesions(node) and lesions(node)[0].state is LesionState.REFUSED, "refusal")
        text = explained(node, made.report.SOPInstanceUID)
    assert "no rule matches: 'heads': body_part is one of 'HEAD': found 'CHEST'" in text


def test_a_restart_resumes_where_the_node_was(tmp_path):
    with StandInPacs(tmp_path / "first") as pacs:
        port = pacs.port
    made = study("restart")
    first = settings(tmp_path, port)
    with Node(first) as node:  # the PACS is away, and the node stops right after receiving
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
    with StandInPacs(tmp_path / "second", port=port) as pacs, Node(first) as node:
        assert pacs.wait_for(1, PATIENCE_S)
        until(lambda: deliveries(node)[0].state is DeliveryState.ACCEPTED, "acceptance")
        with node.database.read() as session:
            assert len(session.scalars(select(Result)).all()) == 1


def test_the_same_input_gives_the_same_uids_and_pixels(tmp_path):
    found = []
    for run in ("a", "b"):
        made = study("deterministic")
        with (
            StandInPacs(tmp_path / run / "pacs") as pacs,
            Node(settings(tmp_path / run, pacs.port)) as node,
        ):
            send_to(node.port, [*made.ct, made.report], tmp_path / run / "out")
            assert pacs.wait_for(1, PATIENCE_S)
        (seg,) = segs(pacs)
        found.append((seg.SOPInstanceUID, seg.SeriesInstanceUID, seg.PixelData))
    assert found[0] == found[1]
