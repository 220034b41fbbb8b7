"""Outlines and segments go in over sockets, and soft masks come back."""

from __future__ import annotations

import numpy as np
import pytest

from dicomnode.collect.examine import OWN_KIND
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.node import Node
from dicomnode.store.states import DeliveryState, LesionState
from tests.dicomnode.mask_objects import (
    ball,
    circles,
    curves,
    segmentation,
    structure_set,
)
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_node import (
    PATIENCE_S,
    accepted,
    deliveries,
    explained,
    lesions,
    segs,
    settings,
    until,
)


@pytest.fixture
def pacs(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs:
        yield pacs


def test_each_form_of_a_mask_comes_back_as_a_soft_mask(tmp_path, pacs):
    places = [(12, 20, 20), (12, 20, 44), (12, 44, 32)]
    made = study("forms", centres=places)
    objects = [
        structure_set(made, [circles(made, places[0])]),
        segmentation(made.ct, [ball(places[1])]),
        curves(made, [circles(made, places[2])[2]]),
    ]
    told = settings(tmp_path, pacs.port)
    (destination,) = told.destinations
    # Only then does a result name the object that it was made from.
    naming = destination.model_copy(update={"references": "all"})
    with Node(told.model_copy(update={"destinations": (naming,)})) as node:
        assert accepted(send_to(node.port, [*objects, *made.ct], tmp_path / "out"))
        assert pacs.wait_for(3, PATIENCE_S)
        until(lambda: {d.state for d in deliveries(node)} == {DeliveryState.ACCEPTED}, "acceptance")
        for dataset in objects:
            assert "to pacs: accepted" in explained(node, dataset.SOPInstanceUID)
    found = {seg.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID: seg for seg in segs(pacs)}
    for dataset, place in zip(objects, places, strict=True):
        seg = found[dataset.SOPInstanceUID]
        assert seg.SegmentationType == "FRACTIONAL"
        volume = seg.get_volume(combine_segments=False)
        alpha = np.asarray(volume.array)[..., 0]
        ml = float(alpha.sum()) * volume.voxel_volume / 1000
        assert ml == pytest.approx(np.pi / 6 * 12**3 / 1000, rel=0.15)
        centre = np.argwhere(alpha >= 0.5).mean(axis=0)
        expected = made.volume.map_indices_to_reference(np.array([place], float))
        np.testing.assert_allclose(
            volume.map_indices_to_reference(centre[None]), expected, atol=0.5
        )


def test_a_changed_region_takes_the_place_of_one_that_was_not_sent(tmp_path):
    with StandInPacs(tmp_path / "first") as pacs:
        port = pacs.port
    made = study("changed")
    first = structure_set(made, [circles(made, diameter_mm=10.0)], "v1", series="1.2.77")
    second = structure_set(made, [circles(made)], "v2", series="1.2.77")
    with Node(settings(tmp_path, port)) as node:
        send_to(node.port, [*made.ct, first], tmp_path / "out")
        until(lambda: deliveries(node) and deliveries(node)[0].attempts, "an attempt")
        send_to(node.port, [second], tmp_path / "out")
        until(lambda: len(deliveries(node)) == 2, "the second result")
        assert [lesion.state for lesion in lesions(node)] == [
            LesionState.SUPERSEDED,
            LesionState.PUBLISHED,
        ]
        text = explained(node, first.SOPInstanceUID)
        assert "superseded, because the mark was changed; lesion 2 takes its place" in text
        assert "to pacs: withdrawn" in text
        with StandInPacs(tmp_path / "second", port=port) as pacs:
            until(lambda: deliveries(node)[1].state is DeliveryState.ACCEPTED, "acceptance")
            assert len(pacs.arrivals) == 1


def test_results_of_another_node_are_not_read_as_marks(tmp_path, pacs):
    made = study("loop")
    with Node(settings(tmp_path / "one", pacs.port)) as node:
        send_to(node.port, [*made.ct, segmentation(made.ct, [ball()])], tmp_path / "out")
        assert pacs.wait_for(1, PATIENCE_S)
    (own,) = segs(pacs)
    with Node(settings(tmp_path / "two", pacs.port)) as node:
        assert accepted(send_to(node.port, [own], tmp_path / "loop"))
        until(lambda: OWN_KIND in explained(node, own.SOPInstanceUID), "examination")
        assert lesions(node) == []
