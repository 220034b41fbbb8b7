"""Each destination gets the objects that it is to have, of each lesion and of each series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    Comprehensive3DSRStorage,
    CTImageStorage,
    EnhancedCTImageStorage,
    SegmentationStorage,
)
from sqlalchemy import select

from dicomnode.deliver.ladder_choice import AUTOMATIC
from dicomnode.node import Node
from dicomnode.results.ladder import LADDER
from dicomnode.store.states import DeliveryState, InstanceState, SummaryState
from dicomnode.store.tables import Instance, Lesion, Result, Summary
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of, naming_frames
from tests.dicomnode.results.rungs import references
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_node import deliveries, explained, settings, until


def folder(tmp_path: Path, name: str, **more: object) -> dict:
    (tmp_path / name).mkdir()
    return {"name": name, "kind": "folder", "path": tmp_path / name} | more


def node_with(tmp_path: Path, *destinations: dict) -> Node:
    return Node(
        settings(
            tmp_path,
            0,
            destinations=destinations,
            publish={"gather_s": 0.2},
            rules=[{"name": "all", "destinations": [d["name"] for d in destinations]}],
        )
    )


def settled(node: Node) -> bool:
    """Whether every summary is made and everything is delivered."""
    with node.database.read() as session:
        states = set(session.scalars(select(Summary.state)))
        refused = session.scalars(select(Lesion.reason).where(Lesion.state == "refused")).all()
    assert not refused
    return states == {SummaryState.PUBLISHED} and {d.state for d in deliveries(node)} == {
        DeliveryState.ACCEPTED
    }


def kinds(node: Node) -> dict[str, str]:
    """Kind of each object, by its UID."""
    with node.database.read() as session:
        return dict(session.execute(select(Result.sop_instance_uid, Result.kind)).all())


def objects(folder: Path) -> dict[str, pydicom.Dataset]:
    return {str(d.SOPInstanceUID): d for d in map(pydicom.dcmread, folder.rglob("*.dcm"))}


def examined(node: Node, uid: str) -> bool:
    with node.database.read() as session:
        instance = session.get(Instance, uid)
    return instance is not None and instance.state is InstanceState.EXAMINED


def evidence(document: pydicom.Dataset) -> set[str]:
    return {
        str(item.ReferencedSOPInstanceUID)
        for found in document.CurrentRequestedProcedureEvidenceSequence
        for series in found.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def test_every_rung_arrives_and_each_destination_gets_its_own(tmp_path):
    made = study("ladder", centres=[(10, 20, 20), (13, 42, 40)])
    whole = folder(tmp_path, "whole", results=list(LADDER))
    short = folder(tmp_path, "short", results=["fractional-seg", "report"])
    with node_with(tmp_path, whole, short) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: settled(node), "all objects")
        kind = kinds(node)
        report = next(uid for uid in objects(tmp_path / "short") if kind[uid] == "report")
        text = explained(node, report)
    in_whole, in_short = objects(tmp_path / "whole"), objects(tmp_path / "short")
    assert {kind[uid] for uid in in_whole} == set(LADDER)
    by_kind = [kind[uid] for uid in in_whole]
    for rung in LADDER.values():
        if rung.of == "series":  # one for both lesions
            assert by_kind.count(rung.name) == 1
        elif rung.name != "secondary-capture":  # a picture a slice
            assert by_kind.count(rung.name) == 2
    assert sorted(kind[uid] for uid in in_short) == ["fractional-seg"] * 2 + ["report"]
    segs = {uid for uid in in_short if in_short[uid].SOPClassUID == SegmentationStorage}
    assert segs < in_whole.keys(), "one object for both"
    # The report of the short ladder refers to what that destination has, and to no more.
    others = evidence(in_short[report]) & kind.keys()
    assert others == segs
    assert "of all lesions of series" in text
    assert "to short: accepted" in text


def test_every_rung_of_a_concatenation_arrives_and_names_frames(tmp_path):
    made = study("ladder on frames", centres=[(10, 20, 20), (13, 42, 40)])
    frames = frames_of(made.ct)
    parts = [enhanced_ct(frames[:12], part=(1, 2)), enhanced_ct(frames[12:], part=(2, 2))]
    report = naming_frames(made.report, parts, frames)
    with node_with(tmp_path, folder(tmp_path, "pacs", results=list(LADDER))) as node:
        send_to(node.port, [*parts, report], tmp_path / "out")
        until(lambda: settled(node), "all objects")
        kind = kinds(node)
    found = objects(tmp_path / "pacs")
    assert {kind[uid] for uid in found} == set(LADDER)
    images = {part.SOPInstanceUID for part in parts}
    for uid, made_of_it in found.items():
        if kind[uid] == "key-object":  # points to results alone
            continue
        named = {
            (item.ReferencedSOPInstanceUID, number)
            for item in references(made_of_it)
            if "ReferencedFrameNumber" in item
            for number in np.atleast_1d(item.ReferencedFrameNumber).tolist()
        }
        assert named, kind[uid]
        assert {image for image, _ in named} <= images
        assert all(1 <= number <= 12 for _, number in named)
        assert {
            item.ReferencedSOPInstanceUID
            for item in references(made_of_it)
            if item.ReferencedSOPClassUID in (CTImageStorage, EnhancedCTImageStorage)
        } <= images


def test_a_later_mark_gives_a_new_report_that_names_the_one_before(tmp_path):
    centres = [(10, 20, 20), (13, 42, 40)]
    both = study("two of one series", centres=centres)
    first = study("two of one series", centres=centres[:1])
    # The same CT, and a report of its first lesion alone.
    with node_with(tmp_path, folder(tmp_path, "pacs", results=["report"])) as node:
        send_to(node.port, [*both.ct, first.report], tmp_path / "one")
        until(lambda: settled(node), "the first report")
        (before,) = objects(tmp_path / "pacs")
        both.report.SOPInstanceUID += ".2"
        both.report.file_meta.MediaStorageSOPInstanceUID = both.report.SOPInstanceUID
        send_to(node.port, [both.report], tmp_path / "two")
        until(lambda: len(deliveries(node)) == 2 and settled(node), "the second report")
    documents = objects(tmp_path / "pacs")
    (after,) = set(documents) - {before}
    assert documents[after].SOPClassUID == Comprehensive3DSRStorage
    (study_,) = documents[after].PredecessorDocumentsSequence
    (series,) = study_.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == before
    assert "PredecessorDocumentsSequence" not in documents[before]


def test_the_same_mark_again_makes_no_second_report(tmp_path):
    made = study("once")
    with node_with(
        tmp_path, folder(tmp_path, "pacs", results=["fractional-seg", "report"])
    ) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: settled(node), "the report")
        made.report.SOPInstanceUID += ".2"
        made.report.file_meta.MediaStorageSOPInstanceUID = made.report.SOPInstanceUID
        send_to(node.port, [made.report], tmp_path / "again")
        until(lambda: examined(node, made.report.SOPInstanceUID), "the repeat is read")
        assert settled(node)
        assert len(deliveries(node)) == 2


def test_what_is_made_after_a_kill_is_made_once(tmp_path):
    made = study("resumed", centres=[(10, 20, 20), (13, 42, 40)])
    pacs = folder(tmp_path, "pacs", results=["fractional-seg", "report"])
    with node_with(tmp_path, pacs) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: settled(node), "all objects")
        with node.database.write() as session:
            # As if the node had been killed between the lesions and the report.
            session.scalars(select(Summary)).one().state = SummaryState.WAITING
    with node_with(tmp_path, pacs) as node:
        until(lambda: settled(node), "all objects again")
        assert len(deliveries(node)) == 3
    assert len(objects(tmp_path / "pacs")) == 3


def test_destinations_share_what_is_told_alike_and_get_their_own_of_what_is_not(tmp_path):
    made = study("profiles")
    bands = {"band-seg": {"bands": [{"name": "half", "low": 0.5, "rgb": [0, 255, 0]}]}}
    names = ("default", "one", "other", "all")
    with node_with(
        tmp_path,
        folder(tmp_path, "default"),
        folder(tmp_path, "one", options=bands),
        folder(tmp_path, "other", options=bands | {"iso-contours": {"levels": [0.25, 0.5, 0.75]}}),
        folder(tmp_path, "all", references="all", results=["fractional-seg", "iso-contours"]),
    ) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: settled(node), "all objects")
        kind = kinds(node)
    got = {name: objects(tmp_path / name) for name in names}
    uid = {name: {kind[one]: one for one in got[name]} for name in names}
    assert sorted(uid["default"]) == sorted(AUTOMATIC), "what a destination gets unless told"
    assert uid["one"] == uid["other"], "levels as by default are no option"
    for name in ("fractional-seg", "iso-contours"):
        assert uid["default"][name] == uid["one"][name]
    for name in ("band-seg", "report"):  # the report names the bands that its destination has
        assert uid["default"][name] != uid["one"][name]
    assert len(got["one"][uid["one"]["band-seg"]].SegmentSequence) == 1
    assert len(got["default"][uid["default"]["band-seg"]].SegmentSequence) == 3
    assert uid["one"]["band-seg"] in evidence(got["one"][uid["one"]["report"]])
    # Contours name nothing but the CT in any case; the SEG does when told.
    assert uid["all"]["iso-contours"] == uid["default"]["iso-contours"]
    assert uid["all"]["fractional-seg"] != uid["default"]["fractional-seg"]
    mark = str(made.report.SOPInstanceUID)
    assert mark in named(got["all"][uid["all"]["fractional-seg"]])
    assert mark not in named(got["default"][uid["default"]["fractional-seg"]])


def named(made: pydicom.Dataset) -> set[str]:
    return {str(e.value) for e in made.iterall() if e.keyword == "ReferencedSOPInstanceUID"}


@pytest.mark.parametrize("results", [[], ["no-such-rung"]])
def test_results_that_are_none_or_unknown_stop_the_start(tmp_path, results):
    with pytest.raises(ValueError, match="results"):
        node_with(tmp_path, folder(tmp_path, "pacs", results=results))


def test_lesions_without_a_summary_have_one_result_each(tmp_path):
    made = study("default")
    with node_with(tmp_path, folder(tmp_path, "pacs", results=["fractional-seg"])) as node:
        send_to(node.port, [*made.ct, made.report], tmp_path / "out")
        until(lambda: settled(node), "the SEG")
        with node.database.read() as session:
            (lesion,) = session.scalars(select(Lesion))
            assert [result.kind for result in lesion.results] == ["fractional-seg"]
