"""What the tasks on slices say of a network that is right, and of one that is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.dsnet import SoftSegmentation
from models.medical_matting import UncertainMatte
from models.super_resolution import Enlarged
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.training.lesions import Lesions
from pipelines.training.settings import TrainingSettings
from pipelines.training.super_resolution_task import coarse, enlarged
from pipelines.training.tasks import task_of


def lesion():
    """A bright square; two readers of four draw half of it only."""
    masks = np.zeros((4, 3, 32, 32), bool)
    masks[:, :, 8:24, 8:24] = True
    masks[2:, :, 8:16] = False
    hu = np.where(masks[0], 0, -900).astype(np.int16)
    return AnnotatedLesion("p", "n", hu, masks, (2, 1, 1), np.full((2, 32, 32), -900, np.int16))


def task(network, lesions=None):
    settings = {"steps": 1, "folder": Path(), "data": {"cache": Path()}, "network": network}
    made = task_of(TrainingSettings.model_validate(settings))
    made.source.__dict__["_lesions"] = Lesions([], [], [lesion()] if lesions is None else lesions)
    return made


class Answer(nn.Module):
    """A network that says what a function says."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.place = answer, nn.Parameter(torch.zeros(1))

    def forward(self, image, **_):
        return self.answer(image)


def four_readers(image):
    """Masks as of the four readers of the square, given a box about its centre."""
    bright = (image > 0.5).float()
    lower = bright.clone()
    lower[:, :, : image.shape[2] // 2] = 0
    logits = 20 * torch.cat([bright, bright, lower, lower], dim=1) - 10
    return UncertainMatte(torch.sigmoid(logits).mean(1, keepdim=True), bright, logits, None)


def one_reader(image):
    bright = (image > 0.5).float()
    return UncertainMatte(bright, 0 * bright, (20 * bright - 10).expand(-1, 4, -1, -1), None)


MEDICAL = {"name": "region-aware", "crop": 32, "samples": 4}


def test_masks_that_differ_as_readers_do_are_at_no_distance():
    scores = task(MEDICAL).validate(Answer(four_readers))
    assert scores["energy_distance"] == pytest.approx(0, abs=1e-6)
    assert scores["whole"] == scores["continued"] == 1


def test_masks_that_all_agree_are_at_a_distance_from_readers_who_do_not():
    # d is 1/2 between the whole square and its half: 2/4 - 0 - 1/4.
    scores = task(MEDICAL).validate(Answer(one_reader))
    assert scores["energy_distance"] == pytest.approx(0.25, abs=1e-6)


def test_what_was_learned_from_small_crops_is_shown_small_crops():
    made = task(MEDICAL)
    assert made.about()["size"] == "32,32"
    assert made.contract.size == (32, 32)
    sides = set()
    made.validate(Answer(lambda image: (sides.add(tuple(image.shape[2:])), one_reader(image))[1]))
    assert sides == {(32, 32)}


def test_an_enlargement_is_compared_with_the_bilinear_one():
    made = task({"name": "super-resolution", "crop": 32})
    scores = made.validate(Answer(lambda image: Enlarged(enlarged(image), image)))
    assert scores["psnr"] == pytest.approx(scores["psnr_bilinear"], abs=1e-3)
    worse = made.validate(Answer(lambda image: Enlarged(0 * enlarged(image), image)))
    assert worse["psnr"] < worse["psnr_bilinear"]


def test_dsnets_large_result_is_scored_at_the_slices_size():
    made = task({"name": "dsnet", "crop": 32, "teacher": Path("absent")})

    def answer(image):
        large = nn.functional.interpolate(image, scale_factor=4)
        return SoftSegmentation(large, (large > 0).float())

    assert made.validate(Answer(answer))["whole"] == 1


def test_a_coarse_slice_is_the_mean_over_areas():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert coarse(image).item() == 7.5
    assert enlarged(coarse(image)).shape == image.shape


@pytest.mark.parametrize("network", [MEDICAL, {"name": "super-resolution", "crop": 32}])
def test_without_lesions_there_are_no_scores(network):
    assert task(network, []).validate(Answer(one_reader)) == {}
