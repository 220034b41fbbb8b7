"""Scores of networks that see slices: what is picked, what is counted, and on which slices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.training.slice_scores import SliceBox, lesion_alpha, mean_scores, scored_slices

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


@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_alpha_is_on_the_lesions_own_pixels_and_the_network_sees_its_contracts_size(size):
    sides = []

    def predict(images):
        sides.append(tuple(images.shape[2:]))
        return images

    alpha = lesion_alpha(lesion(), replace(CONTRACT, size=size), predict)
    assert sides == [size]
    seen = np.zeros((3, 20, 24), bool)
    # About the lesion's centre, (10, 8) in whole pixels.
    first = [max(c - s // 2, 0) for c, s in zip((10, 8), size, strict=True)]
    last = [c + s // 2 for c, s in zip((10, 8), size, strict=True)]
    seen[:, first[0] : last[0], first[1] : last[1]] = True
    assert np.allclose((1400 * alpha - 1000)[seen], lesion().hu[seen], atol=0.01)
    assert not alpha[~seen].any()


def test_a_lesion_larger_than_the_contract_is_seen_whole():
    whole = lesion()
    large = replace(whole, masks=np.ones_like(whole.masks))
    box = SliceBox.around(large, (16, 16))
    assert (len(box.rows), len(box.columns)) == (32, 32)
    assert set(range(20)) <= set(box.rows.tolist())
    assert set(range(24)) <= set(box.columns.tolist())


def test_no_lesions_have_no_mean():
    assert mean_scores([]) == {}
    one = scored_slices(lesion(), CONTRACT, bright)
    assert mean_scores([one, one]) == pytest.approx(vars(one))
