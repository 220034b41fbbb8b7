"""Training can be stopped anywhere, goes on to the bit, and says what it cannot use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from models import load_network
from models.recist_net import CHANNELS
from pipelines.training.checkpoints import CheckpointError
from pipelines.training.export import export_weights
from pipelines.training.loop import LOG, DivergenceError, train
from pipelines.training.schedule import AveragedWeights, rate_at
from pipelines.training.settings import (
    OptimiserSettings,
    TrainingSettings,
    TrainingSettingsError,
    load_training_settings,
)
from pipelines.training.tasks import TASKS


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def settings(cache, folder, **changes):
    values = {
        "steps": 4,
        "batch": 2,
        "folder": folder,
        "keep_every": 100,
        "validate_every": 100,
        "device": "cpu",
        "threads": 1,
        "network": {"widths": (4, 6), "blocks": 1},
        "data": {"cache": cache, "phantoms": 3, "planes": 2},
        "optimiser": {"warm_up": 1, "average": 0.5},
    }
    return TrainingSettings.model_validate(values | changes)


def stop_after(steps):
    done = []

    def stopping():
        done.append(1)
        return len(done) == steps

    return stopping


def test_a_run_that_was_stopped_gives_the_same_bits(cache, tmp_path):
    whole = train(settings(cache, tmp_path / "whole"))
    parts = settings(cache, tmp_path / "parts")
    for _ in range(2):
        train(parts, stopping=stop_after(1))
    pieced = train(parts)
    one, two = (torch.load(path, weights_only=True) for path in (whole, pieced))
    assert one["step"] == two["step"] == 4
    for part in ("network", "average"):
        for name, value in one[part].items():
            assert torch.equal(value, two[part][name]), name
    for index, state in one["optimiser"]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, two["optimiser"]["state"][index][name])


def test_batches_that_other_processes_made_are_the_same(cache, tmp_path):
    alone = train(settings(cache, tmp_path / "alone", steps=3))
    helped = train(settings(cache, tmp_path / "helped", steps=3, workers=2))
    one, two = (torch.load(path, weights_only=True) for path in (alone, helped))
    torch.testing.assert_close(one, two, rtol=0, atol=0)


@dataclass(frozen=True)
class Pair:
    image: Tensor
    truth: Tensor


class AdversarialTask:
    """Two optimisers by turns, weights beside the network, and a loss that draws."""

    name = "recist-net"
    turns = {"judge": ("judge",), "network": ("network", "weights")}  # noqa: RUF012

    def about(self):
        return {}

    def networks(self):
        torch.manual_seed(0)
        return {"judge": nn.Linear(2, 1), "network": nn.Linear(3, 2), "weights": nn.Linear(2, 2)}

    def batch(self, step):
        generator = torch.Generator().manual_seed(step)
        return Pair(torch.rand(4, 3, generator=generator), torch.rand(4, 2, generator=generator))

    def loss(self, turn, networks, batch, step):
        made = networks["network"](batch.image + torch.randn(4, 3))
        if turn == "network":
            made = networks["weights"](made)
            return (made - batch.truth).abs().mean() - networks["judge"](made).mean()
        if step == 1:
            return None
        return networks["judge"](made.detach()).mean() - networks["judge"](batch.truth).mean()

    def validate(self, network):
        return {"drawn": network(torch.randn(1, 3)).sum().item()}


@pytest.fixture
def adversarial(monkeypatch):
    monkeypatch.setitem(TASKS, "recist-net", lambda settings: AdversarialTask())


@pytest.mark.parametrize("kind", ["adamw", "adam"])
def test_networks_that_learn_by_turns_also_go_on_to_the_bit(tmp_path, adversarial, kind):
    how = {"optimiser": {"kind": kind, "average": 0.5, "schedule": "cosine", "warm_up": 1}}
    whole = train(settings(tmp_path, tmp_path / "whole", **how))
    parts = settings(tmp_path, tmp_path / "parts", **how, validate_every=1)
    for _ in range(3):
        train(parts, stopping=stop_after(1))
    pieced = train(parts)
    one, two = (torch.load(path, weights_only=True) for path in (whole, pieced))
    first = AdversarialTask().networks()
    found = {"network": one["network"], **one["others"]}
    for name, network in first.items():
        assert not torch.equal(network.weight, found[name]["weight"]), name
    torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_turns_and_their_losses_are_told_apart(tmp_path, adversarial):
    said = []
    train(settings(tmp_path, tmp_path / "run"), said.append)
    assert set(said[-1].other_losses) == {"judge"}
    line = json.loads((tmp_path / "run" / LOG).read_text())
    assert line["other_losses"] == said[-1].other_losses


def test_a_checkpoint_without_the_second_optimiser_is_refused(tmp_path, adversarial):
    how = settings(tmp_path, tmp_path)
    path = train(how, stopping=stop_after(1))
    state = torch.load(path, weights_only=True)
    del state["other_optimisers"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match="another network"):
        train(how)


def test_a_loss_that_is_not_finite_ends_a_run_and_spoils_no_checkpoint(
    tmp_path, monkeypatch, adversarial
):
    how = settings(tmp_path, tmp_path, keep_every=1)
    before = train(how, stopping=stop_after(2)).read_bytes()
    real = AdversarialTask.loss

    def infinite(*asked):
        loss = real(*asked)
        return loss if loss is None else loss * torch.inf

    monkeypatch.setattr(AdversarialTask, "loss", infinite)
    with pytest.raises(DivergenceError, match="step 3"):
        train(how)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_finished_run_is_not_trained_further(cache, tmp_path):
    how = settings(cache, tmp_path / "run", steps=1)
    before = train(how).read_bytes()
    assert train(how).read_bytes() == before


def test_progress_and_scores_are_written_down(cache, tmp_path):
    how = settings(
        cache,
        tmp_path,
        steps=2,
        data={"cache": cache, "phantoms": 3, "planes": 2, "validation_phantoms": 1},
    )
    said = []
    train(how, said.append)
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [progress.step for progress in said] == [2]
    scores = lines[-1]["scores"]
    assert set(scores) == {"whole", "key_slice", "continued", "reader"}
    assert all(0 <= value <= 1 for value in scores.values())
    # A phantom's reader agrees with the others; an untrained network does not.
    assert scores["reader"] > 0.5 > scores["whole"]


def test_a_checkpoint_of_another_network_or_seed_is_refused(cache, tmp_path):
    train(settings(cache, tmp_path, steps=1))
    with pytest.raises(CheckpointError, match="another network"):
        train(settings(cache, tmp_path, network={"widths": (4, 8), "blocks": 1}))
    with pytest.raises(CheckpointError, match="found seed 0, expected 1"):
        train(settings(cache, tmp_path, seed=1))


def test_exported_weights_are_the_average(cache, tmp_path):
    how = settings(cache, tmp_path, steps=2)
    checkpoint = train(how)
    export_weights(how, checkpoint, tmp_path / "weights.safetensors")
    loaded = load_network("recist-net", tmp_path / "weights.safetensors")
    average = torch.load(checkpoint, weights_only=True)["average"]
    for name, value in loaded.state_dict().items():
        assert torch.allclose(value, average[name], atol=2e-3), name
    assert loaded(torch.zeros(1, 2, CHANNELS, 8, 8)).shape == (1, 2, 8, 8)


def test_the_rate_rises_stays_and_falls():
    how = OptimiserSettings(learning_rate=1.0, warm_up=9, cool_down=0.5)
    rates = [rate_at(step, 100, how) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:51] == [1.0] * 42
    assert all(a > b for a, b in pairwise(rates[50:]))
    assert 0 < rates[-1] < 0.03
    # A longer run is the same until the shorter one falls.
    assert rates[:51] == [rate_at(step, 200, how) for step in range(51)]


@pytest.mark.parametrize(
    ("schedule", "middle"), [("cosine", 0.5), ("polynomial", 0.5**0.9), ("hold", 1.0)]
)
def test_a_schedule_rises_and_falls_to_nothing(schedule, middle):
    how = OptimiserSettings(learning_rate=1.0, warm_up=10, schedule=schedule)
    rates = [rate_at(step, 110, how) for step in range(110)]
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert rates[0] < 0.1
    assert rates[10] == 1
    assert rates[60] == pytest.approx(middle)
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert 0 < rates[-1] < 0.04


def test_the_average_forgets_the_beginning():
    network = torch.nn.Linear(1, 1)
    average = AveragedWeights(network, 0.9)
    with torch.no_grad():
        network.weight.fill_(5.0)
    for step in range(200):
        average.update(network, step)
    assert average.state["weight"].item() == pytest.approx(5.0, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps = 0", "steps"),
        ("steps = 1\nspeed = 2", "speed"),
        ("steps = ", "Invalid"),
        ('steps = 1\nfolder = "x"\n[data]\ncache = "c"\nphantoms = 0', "neither lidc nor phantoms"),
    ],
)
def test_a_wrong_configuration_is_told(tmp_path, text, said):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(TrainingSettingsError, match=said):
        load_training_settings(path)


def test_a_missing_configuration_is_told(tmp_path):
    with pytest.raises(TrainingSettingsError, match=r"absent\.toml"):
        load_training_settings(tmp_path / "absent.toml")
