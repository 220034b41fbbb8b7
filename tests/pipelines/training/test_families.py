"""Every family trains from its shipped smoke configuration, and goes on to the bit after a stop."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models import NoWeightsError, load_network
from models.registry import REGISTRY
from models.super_resolution import SuperResolution
from pipelines.training.export import export_weights
from pipelines.training.loop import train
from pipelines.training.settings import TrainingSettings, load_training_settings
from pipelines.training.task import MAIN, Task
from pipelines.training.tasks import TASKS, task_of

CONFIGURATIONS = Path(__file__).parents[3] / "config" / "train"
SMOKE = sorted(path.stem for path in CONFIGURATIONS.glob("smoke*.toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples that all runs share, and an untrained teacher."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("families")
    torch.manual_seed(0)
    teacher = {name: value.clone() for name, value in SuperResolution().state_dict().items()}
    save_file(teacher, folder / "teacher", {"network": "super-resolution"})
    return folder


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    # Checkpoints of the full networks have 100 to 250 MB.
    monkeypatch.setattr("models.cbam_unet.WIDTHS", (4, 8, 8, 8, 8))
    monkeypatch.setattr("models.probabilistic_unet.WIDTHS", (32, 8, 8, 8))


def settings(name: str, folder: Path, run: str, **changes) -> TrainingSettings:
    found = load_training_settings(CONFIGURATIONS / f"{name}.toml").model_dump()
    found |= {
        "steps": 2,
        "batch": min(found["batch"], 2),
        "folder": folder / run,
        "device": "cpu",
        "threads": 1,
    }
    found["data"] |= {"cache": folder / "cache", "phantoms": 2, "validation_phantoms": 0}
    if "teacher" in found["network"]:
        found["network"]["teacher"] = folder / "teacher"
    if "warm_start" in found["network"]:
        found["network"]["warm_start"] = 1
    return TrainingSettings.model_validate(found | changes)


def states(path: Path) -> dict:
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", SMOKE)
def test_a_stop_in_the_middle_changes_no_bit(name, folder):
    whole = states(train(settings(name, folder, f"{name}-whole")))
    parts = settings(name, folder, f"{name}-parts")
    train(parts, stopping=lambda: True)
    assert states(parts.folder / "checkpoint.pt")["step"] == 1
    pieced = train(parts)
    torch.testing.assert_close(states(pieced), whole, rtol=0, atol=0)
    first = task_of(parts).networks()
    for network, state in {MAIN: whole["network"], **whole.get("others", {})}.items():
        before = first[network].state_dict()
        assert any(not torch.equal(state[part], before[part]) for part in state), network
    weights = folder / f"{name}.safetensors"
    export_weights(parts, pieced, weights)
    load_network(parts.network.name, weights)


def test_every_family_of_the_registry_has_a_task_and_a_smoke_configuration():
    # The table gives one function a family.
    smoked = {TASKS[settings(name, Path(), "").network.name] for name in SMOKE}
    assert smoked == set(TASKS.values())
    assert set(TASKS) == set(REGISTRY)


@pytest.mark.parametrize("name", SMOKE)
def test_a_task_learns_in_turns_what_it_names(name, folder):
    task: Task = task_of(settings(name, folder, "unused"))
    learning = [one for names in task.turns.values() for one in names]
    assert MAIN in task.turns[MAIN]
    assert len(set(learning)) == len(learning)
    assert set(learning) == set(task.networks())


def test_dsnet_begins_with_the_teacher_that_was_trained(folder):
    network = task_of(settings("smoke-dsnet", folder, "unused")).networks()[MAIN]
    teacher = load_network("super-resolution", folder / "teacher").state_dict()
    assert not any(parameter.requires_grad for parameter in network.teacher.parameters())
    for name, value in network.teacher.state_dict().items():
        assert torch.equal(value, teacher[name]), name


def test_dsnet_needs_its_teacher(folder):
    how = settings("smoke-dsnet", folder, "run")
    network = how.network.model_copy(update={"teacher": folder / "absent"})
    with pytest.raises(NoWeightsError, match="absent"):
        train(how.model_copy(update={"network": network}))


def test_the_discriminator_waits_until_the_generator_is_warm(folder):
    how = settings("smoke-super-resolution", folder, "warm", steps=1)
    network = task_of(how).networks()["discriminator"]
    after = states(train(how))["others"]["discriminator"]
    for name, value in network.state_dict().items():
        assert torch.equal(after[name], value), name


def test_alternating_weights_need_no_learned_ones(folder):
    how = settings("smoke-region-aware", folder, "alternating", steps=1)
    network = how.network.model_copy(update={"weighting": "alternating"})
    state = states(train(how.model_copy(update={"network": network})))
    assert "others" not in state
