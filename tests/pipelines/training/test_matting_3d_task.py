"""The 3D matting networks' task: batches of the lot alone, full scores for a right matte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.counting import parameter_count
from models.matting_3d import Matte, matting_3d_ghost
from pipelines.dataset.annotated import AnnotatedLesion, kept
from pipelines.dataset.patch_crops import middle_crop
from pipelines.dataset.patches import lesion_patch
from pipelines.training.loop import train
from pipelines.training.matting_3d_scores import scored_matte
from pipelines.training.matting_3d_task import Matting3dTask
from pipelines.training.nearest_region import nearest_region
from pipelines.training.settings import TrainingSettings, load_training_settings
from pipelines.training.task import MAIN

CONFIGURATIONS = sorted(Path(__file__).parents[3].glob("config/train/3dmm*.toml"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def settings(cache, folder="unused", **network):
    return TrainingSettings.model_validate(
        {
            "steps": 2,
            "batch": 2,
            "folder": folder,
            "device": "cpu",
            "threads": 1,
            "network": {"name": "3dmm-mg", "side": 32} | network,
            "data": {"cache": cache, "phantoms": 2, "validation_phantoms": 1},
            "optimiser": {"kind": "adam", "schedule": "cosine", "warm_up": 1, "average": 0},
        }
    )


def test_a_batch_is_a_function_of_its_step(cache):
    batches = [Matting3dTask(settings(cache)).batch(step) for step in (3, 3, 4)]
    assert batches[0].image.shape == (2, 1, 32, 32, 32)
    for name in ("image", "alpha", "overlap", "union"):
        assert torch.equal(getattr(batches[0], name), getattr(batches[1], name))
    assert not torch.equal(batches[0].image, batches[2].image)


def test_the_loop_trains_and_validates_it(cache, tmp_path):
    said = []
    one_step = settings(cache, tmp_path / "run").model_copy(update={"steps": 1, "batch": 1})
    train(one_step, said.append)
    assert set(said[-1].scores) == {"dice", "continued", "overlap", "union", "sad", "mse"}
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    first = Matting3dTask(settings(cache)).networks()[MAIN].state_dict()
    assert any(not torch.equal(state["network"][name], first[name]) for name in first)


@pytest.mark.parametrize("guidance", [True, False])
def test_what_the_weights_file_says_makes_the_same_network(cache, guidance):
    task = Matting3dTask(settings(cache, guidance=guidance))
    about = task.about()
    again = matting_3d_ghost(about["guidance"] == "true")
    assert parameter_count(task.networks()[MAIN]) == parameter_count(again)
    assert about["size"] == "32,32,32"
    assert about["meaning"] == "PROBABILITY"


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_configurations_are_the_papers(path):
    how = load_training_settings(path)
    assert path.stem.startswith(how.network.name)
    assert (how.optimiser.kind, how.optimiser.schedule) == ("adam", "cosine")
    assert how.optimiser.weight_decay == 5e-5
    assert how.optimiser.learning_rate == (3e-3 if how.network.name == "3dmm-mg" else 3e-4)
    if not path.stem.endswith("-cpu"):
        assert (how.network.side, how.batch) == (96, 16)


class Known(nn.Module):
    """Answers alpha as it is told, for patches of one lesion."""

    def __init__(self, answer):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(()))
        self.answer = answer

    def forward(self, image):
        alpha = torch.from_numpy(self.answer)[None, None]
        return Matte(alpha, 20 * (alpha - 0.99), 20 * (alpha - 0.01))


def nodule(beyond=True):
    """A ball of 12 mm on slices of 1.5 mm."""
    z, y, x = np.ogrid[-4:5, -20:20, -20:20]
    masks = np.stack([(1.5 * z) ** 2 + (0.7 * y) ** 2 + (0.7 * x) ** 2 <= 36] * 4)
    hu = np.where(masks[0], 30, -850).astype(np.int16)
    ends = np.full((2, 40, 40), -850, np.int16) if beyond else None
    return AnnotatedLesion("a", "ball", hu, masks, (1.5, 0.7, 0.7), ends)


def answered(lesion, side, change=lambda alpha: alpha):
    patch = lesion_patch(lesion)
    alpha = change(middle_crop(patch, side)[0].alpha.copy())
    return scored_matte(Known(alpha), patch, lesion, side)


@pytest.mark.parametrize("beyond", [True, False])
def test_the_readers_mean_itself_scores_full(beyond):
    score = answered(nodule(beyond), 48)
    assert score.dice > 0.97
    assert score.continued == pytest.approx(score.dice, abs=0.02)
    assert (score.sad, score.mse) == (0, 0)


def test_a_matte_that_is_off_by_a_slice_scores_less():
    moved = answered(nodule(), 48, lambda alpha: np.roll(alpha, 6, axis=0))
    assert moved.dice < 0.85
    assert moved.sad > 1000


def test_what_does_not_join_the_nodule_costs_no_dice():
    def elsewhere(alpha):
        alpha[:4, :4, :4] = 1
        return alpha

    score = answered(nodule(), 48, elsewhere)
    assert score.dice > 0.97
    assert score.sad > 0


def test_leaking_beyond_the_data_costs_the_continued_score_alone():
    def column(alpha):
        return np.maximum(alpha, alpha[24])

    score = answered(nodule(), 48, column)
    assert score.continued < score.dice - 0.05


def test_an_empty_matte_scores_nothing():
    assert answered(nodule(), 48, lambda alpha: 0 * alpha).dice == 0


def test_a_lesion_larger_than_the_patch_is_scored_on_a_larger_one():
    lesion = nodule()
    asked = []

    class Watching(nn.Conv3d):
        def forward(self, image):
            asked.append(image.shape[2:])
            return Matte(image, image, image)

    scored_matte(Watching(1, 1, 1), lesion_patch(lesion), lesion, 16)
    assert asked == [(48, 48, 48)]


def test_the_nearest_region_is_kept():
    mask = np.zeros((3, 10, 10), bool)
    mask[:, :2], mask[:, 6:8] = True, True
    kept_region = nearest_region(mask, np.array([1.0, 5.0, 5.0]), (1.0, 1.0, 1.0))
    assert kept_region[:, 6:8].all()
    assert not kept_region[:, :2].any()


def test_files_hold_the_phantoms_that_were_drawn(cache):
    files = Matting3dTask(settings(cache))._lesions
    source, lesion = files.validation[0]
    assert source.load().name == kept(lesion).name == "nodule-2"
    assert [source.load().name for source in files.phantoms] == ["nodule-0", "nodule-1"]


def test_the_papers_label_is_learned_where_the_configuration_says_so(cache):
    readers = Matting3dTask(settings(cache))
    mattes = Matting3dTask(settings(cache, target="selected-matte"))
    assert (readers.about()["meaning"], mattes.about()["meaning"]) == ("PROBABILITY", "OCCUPANCY")
    one, other = readers.batch(0), mattes.batch(0)
    # The label's centre of gravity lies elsewhere, by less than a voxel or two.
    assert float(one.image.mean()) == pytest.approx(float(other.image.mean()), abs=0.05)
    assert not torch.equal(one.alpha, other.alpha)
    assert other.alpha.unique().numel() > 100
