"""A mark on a frame of an enhanced CT gives the soft mask that it gives on single slices."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless
from sqlalchemy import select

from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.explain import explain
from dicomnode.node import Node
from dicomnode.offline import process_folder
from dicomnode.pictures.panels import panel_of
from dicomnode.routing import Rule
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of, naming_frames, naming_the_whole
from tests.dicomnode.studies import Study, save, send_to, study
from tests.dicomnode.test_node import PATIENCE_S, accepted, settings, until


@pytest.fixture(scope="module")
def made() -> Study:
    return study("end to end", centres=[(11, 30, 34)])


def on_frames(made: Study) -> list:
    """The same voxels as one enhanced object, last slice first, and the report on its frame."""
    frames = frames_of(made.ct[::-1])
    ct = enhanced_ct(frames)
    return [ct, naming_frames(made.report, [ct], frames)]


def alpha(path: Path) -> hd.Volume:
    return hd.seg.segread(path).get_volume(combine_segments=False).squeeze_channel()


def assert_same(one: hd.Volume, other: hd.Volume) -> None:
    assert one.array.max() > 0.5
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-6)
    np.testing.assert_array_equal(one.array, other.array)


def test_a_folder_with_a_compressed_enhanced_ct_is_processed_as_one_with_slices(tmp_path, made):
    ct, report = on_frames(made)
    ct.compress(JPEGLSLossless, generate_instance_uid=False)
    found = {}
    for name, objects in (("slices", [*made.ct, made.report]), ("frames", [ct, report])):
        save(objects, tmp_path / name)
        outcome = process_folder(
            tmp_path / name, tmp_path / f"{name} out", rule=Rule(name="all"), processes=1
        )
        (lesion,) = outcome.lesions
        assert lesion.state is LesionState.PUBLISHED, lesion.reason
        found[name] = lesion, panel_of(lesion, outcome.slices)
    slices, frames = found["slices"], found["frames"]
    assert_same(alpha(frames[0].results[0].path), alpha(slices[0].results[0].path))
    assert frames[0].volume_ml == pytest.approx(slices[0].volume_ml, rel=1e-6)
    np.testing.assert_array_equal(frames[1].hu, slices[1].hu)
    np.testing.assert_allclose(frames[1].axes, slices[1].axes, atol=1e-3)
    named = {
        (item.ReferencedSOPInstanceUID, item.ReferencedFrameNumber)
        for group in hd.seg.segread(frames[0].results[0].path).PerFrameFunctionalGroupsSequence
        for item in group.DerivationImageSequence[0].SourceImageSequence
    }
    assert {uid for uid, _ in named} == {ct.SOPInstanceUID}
    assert len(made.ct) - 11 in {number for _, number in named}


def test_the_node_gets_an_enhanced_ct_and_gives_the_mask_of_the_slices(tmp_path, made):
    with (
        StandInPacs(tmp_path / "pacs") as pacs,
        Node(settings(tmp_path, pacs.port)) as node,
    ):
        ct, report = on_frames(made)
        assert accepted(send_to(node.port, [report, ct], tmp_path / "frames"))
        assert pacs.wait_for(1, PATIENCE_S)
        (of_frames,) = pacs.folder.glob("*.dcm")
        # The same voxels of somebody else, for the same mark in one study is one lesion.
        other = study("end to end, slices", centres=[(11, 30, 34)])
        assert accepted(send_to(node.port, [*other.ct, other.report], tmp_path / "slices"))
        assert pacs.wait_for(2, PATIENCE_S)
        (of_slices,) = set(pacs.folder.glob("*.dcm")) - {of_frames}
        assert_same(alpha(of_frames), alpha(of_slices))

        def all_accepted() -> bool:
            with node.database.read() as session:
                states = list(session.scalars(select(Delivery.state)))
            return states == [DeliveryState.ACCEPTED] * 2

        until(all_accepted, "acceptance")
        with node.database.read() as session:
            told = "\n".join(explain(session, ct.SOPInstanceUID))
    assert "Enhanced CT Image Storage" in told
    assert "1 lesion(s) are marked on it" in told
    assert "published" in told


def test_a_report_on_the_image_that_was_divided_comes_before_its_parts(tmp_path):
    made = study("divided")
    frames = frames_of(made.ct)
    parts = [enhanced_ct(frames[:12], part=(1, 2)), enhanced_ct(frames[12:], part=(2, 2))]
    report = naming_the_whole(naming_frames(made.report, parts, frames), parts)
    with (
        StandInPacs(tmp_path / "pacs") as pacs,
        Node(settings(tmp_path, pacs.port)) as node,
    ):
        for number, one in enumerate([report, *parts]):
            assert accepted(send_to(node.port, [one], tmp_path / str(number)))
        assert pacs.wait_for(1, PATIENCE_S)
        (path,) = pacs.folder.glob("*.dcm")
    seg = hd.seg.segread(path)
    named = {
        item.ReferencedSOPInstanceUID: set(item.ReferencedFrameNumber)
        for item in seg.SourceImageSequence
    }
    first, second = (part.SOPInstanceUID for part in parts)
    assert max(named[first]) == 12
    assert min(named[second]) == 1
