"""Scores of networks that see slices: what is picked, what is counted, and on which slices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.training.slice_scores import alpha_of, mean_scores, scored_slices

CONTRACT = InputContract("slice", 1, (128, 128), "", "", window_hu=(-1000.0, 400.0))


def lesion():
    masks = np.zeros((4, 3, 20, 24), bool)
    masks[:, :, 8:14, 6:12] = True
    hu = np.where(masks[0], 0, -900).astype(np.int16)
    # A vessel, as bright as the lesion.
    hu[:, 2:6, 18:22] = 0
    return AnnotatedLesion("p", "n", hu, masks, (2, 1, 1), np.full((2, 20, 24), -900, np.int16))


def bright(images):
    return (images[:, :1] > 0.5).float()


def test_a_score_counts_the_lesion_that_is_meant():
    score = scored_slices(lesion(), CONTRACT, bright)
    assert score.whole == score.continued == 1
    assert score.unpicked == pytest.approx(2 * 36 / (2 * 36 + 16))


def test_a_lesion_beyond_the_ends_costs():
    assert scored_slices(lesion(), CONTRACT, torch.ones_like).continued < (
        scored_slices(lesion(), CONTRACT, torch.ones_like).whole
    )


def test_what_one_reader_of_four_would_mark_does_not_count():
    assert scored_slices(lesion(), CONTRACT, lambda x: 0.3 * bright(x)).whole == 0


def test_alpha_is_on_the_lesions_own_pixels_and_the_network_sees_multiples_of_16():
    sides = []

    def predict(images):
        sides.append(images.shape[2:])
        return images

    alpha = alpha_of(lesion(), CONTRACT, predict)
    assert sides == [(32, 32)]
    assert np.allclose(1400 * alpha - 1000, lesion().hu, atol=0.01)


def test_no_lesions_have_no_mean():
    assert mean_scores([]) == {}
    one = scored_slices(lesion(), CONTRACT, bright)
    assert mean_scores([one, one]) == pytest.approx(vars(one))
