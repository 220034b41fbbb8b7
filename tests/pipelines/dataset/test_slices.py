"""Crops of slices hold their lesion, show the CT as it is, and follow from their generator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.prompted_samples import Disturbance
from pipelines.dataset.slices import SliceDisturbance, SlicedLesion, planes, slice_sample

SIDE = 32
STILL = Disturbance(shift_hu=0, noise_hu=0, gain=0, blur_pixels=0)
PLAIN = SliceDisturbance(exact=1, beyond=0, hu=STILL)


def contract(channels=1):
    return InputContract("slice", channels, (128, 128), "", "", window_hu=(-1000.0, 400.0))


def lesion(bare=False):
    """A ball in lung, brighter from slice to slice, with readers one of whom draws less."""
    z, y, x = np.mgrid[:5, :96, :96] - np.array([2, 40, 60])[:, None, None, None]
    away = np.sqrt((3 * z) ** 2 + y**2 + x**2)
    masks = np.stack([away < 8, away < 8, away < 8, away < 4])
    hu = np.where(away < 8, 0, -900 + 10 * np.arange(5)[:, None, None]).astype(np.int16)
    beyond = np.stack([np.full((96, 96), value, np.int16) for value in (-700, -600)])
    return AnnotatedLesion("p", "n", hu, masks, (2.5, 0.7, 0.7), None if bare else beyond)


def drawn(count, how=PLAIN, **about):
    sliced = SlicedLesion(lesion())
    return [
        slice_sample(sliced, np.random.default_rng(seed), SIDE, contract(**about), how)
        for seed in range(count)
    ]


def test_a_crop_holds_the_whole_lesion_and_seldom_in_its_middle():
    areas = {int(area) for area in lesion().masks.any(axis=0).sum(axis=(1, 2))}
    middles = []
    for sample in drawn(40):
        assert int((sample.alpha > 0.1).sum()) in areas
        middles.append(ndimage.center_of_mass(sample.alpha[0]))
    assert np.std(middles, axis=0).min() > 2


def test_turned_and_warped_crops_still_hold_it_and_show_it_where_alpha_says():
    for sample in drawn(40, SliceDisturbance(exact=0, beyond=0, hu=STILL)):
        alpha = sample.alpha[0]
        assert not alpha[[0, -1]].any()
        assert not alpha[:, [0, -1]].any()
        bright = sample.image[0] > (-450 + 1000) / 1400
        assert (bright[alpha > 0.8]).all()
        assert not bright[alpha == 0].any()


def test_alpha_is_the_mean_of_the_readers_and_the_mask_is_one_of_them():
    seen = set()
    for sample in drawn(30):
        assert set(np.unique(sample.alpha)) <= {0, 0.25, 0.75, 1}
        assert set(np.unique(sample.mask)) <= {0, 1}
        assert (sample.alpha[sample.mask > 0] > 0.5).all()
        seen.add(bool(sample.mask.sum() < (sample.alpha > 0).sum()))
    assert seen == {True, False}


def test_beyond_the_ends_there_is_no_lesion():
    for sample in drawn(10, replace(PLAIN, beyond=1.0)):
        assert not sample.alpha.any()
        assert not sample.mask.any()
        assert {round(1400 * float(v) - 1000) for v in np.unique(sample.image)} <= {-700, -600}


def test_every_slice_comes_and_neighbours_stand_beside_it():
    middles = set()
    for sample in drawn(60, channels=3):
        below, middle, above = (round(1400 * float(one.min()) - 1000) for one in sample.image)
        middles.add(middle)
        assert below in (middle - 10, middle, -700)
        assert above in (middle + 10, middle, -600)
    assert middles == {-900, -890, -880, -870, -860}


@pytest.mark.parametrize(
    ("index", "repeated", "expected"),
    [(0, True, [-900, -900, -890]), (0, False, [-700, -900, -890]), (5, True, [-860, -600, -600])],
)
def test_where_the_data_end_the_end_comes_again_or_what_stands_in(index, repeated, expected):
    found = planes(lesion(), index, 1, repeated)
    assert found[:, 0, 0].tolist() == expected


def test_data_with_context_need_nothing_to_stand_in():
    whole = lesion(bare=True)
    first = replace(whole, masks=whole.masks & (np.arange(5) > 0)[:, None, None])
    assert SlicedLesion(first).beyond.tolist() == [0]
    how = replace(PLAIN, beyond=1.0)
    sample = slice_sample(SlicedLesion(first), np.random.default_rng(0), SIDE, contract(), how)
    assert not sample.alpha.any()


def test_the_same_generator_gives_the_same_crop_and_another_does_not():
    one, again = (drawn(2, SliceDisturbance()) for _ in range(2))
    assert np.array_equal(one[0].image, again[0].image)
    assert not np.array_equal(one[0].image, one[1].image)
