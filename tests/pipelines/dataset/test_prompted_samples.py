"""Samples show the lesion where the frame says, count what is known, and can be made again."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.beyond_ends import beyond_ends
from pipelines.dataset.prompted_samples import Disturbance, MarkedLesion, prompted_sample
from pipelines.prompted.frame import SIDE

NONE = Disturbance(**{field.name: 0.0 for field in fields(Disturbance)})
COUNT = 6


@pytest.fixture(scope="module")
def marked():
    """A ball of 14 mm in air that two of four readers marked, cut off at its ends as LIDC is."""
    z, y, x = np.ogrid[-7:7.1:2, -20:20.1:0.7, -20:20.1:0.7]
    ball = z**2 + (y / 0.9) ** 2 + x**2 <= 49
    ball = ball[ball.any(axis=(1, 2))]
    masks = np.stack([ball, ball, ball & False, ball & False])
    hu = np.where(ball, 30, -860).astype(np.int16)
    return MarkedLesion(
        AnnotatedLesion("p", "n", hu, masks, (2.0, 0.7, 0.7), beyond_ends(hu, masks))
    )


def samples(marked, how, count=40):
    return [prompted_sample(marked, np.random.default_rng(n), COUNT, how) for n in range(count)]


def test_the_same_state_gives_the_same_sample(marked):
    one, two = (
        prompted_sample(marked, np.random.default_rng(3), COUNT, Disturbance()) for _ in "ab"
    )
    assert (one.channels == two.channels).all()
    assert (one.target == two.target).all()
    assert (one.weight == two.weight).all()


def test_image_and_target_agree(marked):
    for sample in samples(marked, NONE):
        lesion = sample.channels[:, 0] > 0  # denser than -300 HU
        truth = sample.target >= 0.25  # half of the readers' share of one half
        counted = sample.weight == 1
        assert (lesion[counted] != truth[counted]).mean() < 0.01


def test_the_target_is_the_part_of_readers_who_marked(marked):
    highest = max(sample.target.max() for sample in samples(marked, NONE))
    assert highest == pytest.approx(0.5)


def test_every_window_shows_lesion(marked):
    for sample in samples(marked, replace(Disturbance(), cut=0.0)):
        assert sample.target.sum() > 0


def test_slices_beyond_the_ends_are_shown_empty_or_not_at_all(marked):
    continued = samples(marked, NONE)
    there = np.concatenate([sample.channels[:, 7, 0, 0] for sample in continued])
    assert (there == 1).all()
    beyond = [s.target[s.weight == 0.5] for s in continued]
    assert sum(len(b) for b in beyond) > 0
    assert all((b == 0).all() for b in beyond)
    for sample in samples(marked, replace(NONE, bare=1.0)):
        assert ((sample.channels[:, 7, 0, 0] == 0) == (sample.weight == 0)).all()
        assert (sample.channels[sample.weight == 0, 0] == 0).all()


def test_some_data_end_within_the_lesion(marked):
    for sample in samples(marked, replace(NONE, cut=1.0)):
        lost = sample.channels[:, 7, 0, 0] == 0
        assert lost.any()
        assert (sample.weight[lost] == 0).all()


def test_a_disturbed_mark_is_about_where_it_was(marked):
    middle = slice(SIDE // 2 - 3, SIDE // 2 + 3)
    for sample in samples(marked, replace(Disturbance(), one_axis=1.0)):
        key = sample.channels[:, 8, 0, 0] == 1
        assert (sample.channels[:, 5] == 0).all()
        counted = key & (sample.weight == 1)
        assert (sample.target[counted][:, middle, middle] > 0.4).all()
