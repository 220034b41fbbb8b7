"""Readers' masks become soft masks: one, several, flat ones, and ones that are too large."""

from __future__ import annotations

import numpy as np
import pytest

from dicomnode.demo.ct_series import save_series
from dicomnode.jobs import segment as segmenting
from dicomnode.jobs.read_masks import MaskPrior
from dicomnode.jobs.segment import ONE_SLICE, SegmentRequest, segment
from dicomnode.marks import Contour, Outline
from dicomnode.marks.lesion_mark import Opinion
from pipelines.errors import EmptyMaskError, UnusableMarkError
from pipelines.soft_mask import SoftMask
from tests.dicomnode.mask_objects import circles
from tests.dicomnode.studies import study

LESION_ML = np.pi / 6 * 12**3 / 1000


@pytest.fixture(scope="module")
def made():
    return study("segment masks")


@pytest.fixture(scope="module")
def paths(made, tmp_path_factory):
    return tuple(save_series(made.ct, tmp_path_factory.mktemp("ct")))


def outlined(made, contours, name: str) -> Opinion:
    space = made.ct[0].FrameOfReferenceUID
    drawn = tuple(Contour(points) for points in contours)
    return Opinion(outline=Outline(drawn, f"1.2.7.{name}", "region 1", space))


@pytest.fixture
def run(made, paths, tmp_path):
    def run(*opinions: Opinion):
        target = tmp_path / "mask.npz"
        prior = MaskPrior(opinions, (), made.axes[0])
        made_of = segment(SegmentRequest(paths, 12, prior, "occupancy", {}, target))
        return made_of, SoftMask.load(target)

    return run


def test_one_mask_and_several_give_the_lesion(made, run):
    whole = outlined(made, circles(made), "1")
    wider = outlined(made, circles(made, (12, 32.6, 32), 13.0), "2")
    alone, mask = run(whole)
    assert alone.volume_ml == pytest.approx(LESION_ML, rel=0.15)
    both, other = run(whole, wider)
    assert both.volume_ml == pytest.approx(LESION_ML, rel=0.15)
    # Readers who differ leave less that is sure.
    sure, surer = ((m.trimap.array == 2).sum() for m in (other, mask))
    assert sure != surer


def test_a_mask_on_one_slice_is_segmented_by_its_diameters(made, run):
    flat = outlined(made, circles(made)[2:3], "1")
    outcome, mask = run(flat)
    assert ONE_SLICE in outcome.warnings
    assert outcome.volume_ml == pytest.approx(LESION_ML, rel=0.15)
    assert (mask.alpha.array >= 0.5).any(axis=(1, 2)).sum() > 3


def test_a_mask_on_one_slice_does_not_vote_beside_one_on_many(made, run):
    whole = outlined(made, circles(made), "1")
    flat = outlined(made, circles(made)[2:3], "2")
    _, alone = run(whole)
    outcome, beside = run(whole, flat)
    assert ONE_SLICE not in outcome.warnings
    np.testing.assert_array_equal(alone.alpha.array, beside.alpha.array)


def test_masks_without_a_voxel_are_refused(made, run):
    nothing = outlined(made, [circles(made)[2] * [0.001, 0.001, 1]], "1")
    with pytest.raises(EmptyMaskError):
        run(nothing)


def test_a_mask_beside_the_ct_is_refused(made, run):
    aside = outlined(made, [points + np.array([0, 0, 300.0]) for points in circles(made)], "1")
    with pytest.raises(UnusableMarkError, match="off the nearest plane"):
        run(aside)


def test_an_absurdly_large_result_is_refused(made, run, monkeypatch):
    monkeypatch.setattr(segmenting, "LARGEST_ML", 0.5)
    with pytest.raises(UnusableMarkError, match=r"expected a lesion of at most 0\.5"):
        run(outlined(made, circles(made), "1"))
