"""Each network can be made again from its weights file alone, wherever it lies."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

import models.loading
from models import REGISTRY, NoWeightsError, load_network, problem_of, segmenting, weights_digest
from models.counting import parameter_count
from models.loading import contract_of, meaning_of, weights_about, weights_of
from pipelines.parameters import known_methods

PARAMETERS = {
    "3dmm": 2_940_327,
    "3dmm-m": 2_829_603,
    "3dmm-mg": 32_577,
    "medical-matting": 5_000_073 + 1_782_339,
    "super-resolution": 1_528_724,
}


def written(folder, name, **about):
    """Random weights of a network, in half precision."""
    folder.mkdir(exist_ok=True)
    state = REGISTRY[name].make(about).state_dict()
    halves = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    save_file(halves, folder / f"{name}.safetensors", metadata={"network": name, **about})
    return folder


@pytest.fixture
def unshipped(monkeypatch, tmp_path):
    """A package without weights, whatever it ships."""
    for name, network in REGISTRY.items():
        absent = dataclasses.replace(network, weights=tmp_path / "none" / network.weights.name)
        monkeypatch.setitem(REGISTRY, name, absent)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_name_makes_its_network(name):
    assert parameter_count(REGISTRY[name].make({})) == PARAMETERS[name]


def test_the_teacher_is_no_method():
    assert set(REGISTRY) - set(segmenting()) == {"super-resolution"}
    assert "super-resolution" not in known_methods()
    assert set(segmenting()) <= set(known_methods())


@pytest.mark.parametrize(
    ("name", "about", "tensor", "shape"),
    [
        ("3dmm-mg", {"guidance": "false"}, "guided.0.0.0.weight", (8, 9, 1, 1, 1)),
        ("3dmm-mg", {}, "guided.0.0.0.weight", (8, 11, 1, 1, 1)),
        ("dsnet", {"join": "early"}, "join.merge.weight", (64, 66, 3, 3)),
        ("dsnet", {"join": "selective"}, "join.select.weight", (128, 128)),
        ("dsnet", {}, "join.squeeze.weight", (64, 128)),
    ],
)
def test_what_a_file_says_of_itself_makes_its_form(name, about, tensor, shape):
    with torch.device("meta"):
        assert REGISTRY[name].make(about).state_dict()[tensor].shape == shape


def test_a_network_comes_in_single_precision_and_in_its_form(unshipped, tmp_path):
    folder = written(tmp_path / "site", "3dmm-mg", guidance="false")
    loaded = load_network("3dmm-mg", folder=folder)
    assert not loaded.training
    assert not loaded.guidance
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}


def test_a_site_brings_weights_that_the_package_does_not_have(unshipped, tmp_path):
    assert "3dmm-mg.safetensors is not in the package" in problem_of("3dmm-mg")
    folder = written(tmp_path / "site", "3dmm-mg")
    assert problem_of("3dmm-mg", folder) is None
    assert weights_of("3dmm-mg", folder) == folder / "3dmm-mg.safetensors"
    assert "neither in the package nor in" in problem_of("3dmm", folder)
    with pytest.raises(NoWeightsError, match="nor such a file in"):
        load_network("3dmm", folder=folder)


def test_a_sites_own_weights_come_first(monkeypatch, unshipped, tmp_path):
    site = written(tmp_path / "site", "3dmm-mg")
    before = weights_digest("3dmm-mg", site)
    package = written(tmp_path / "package", "3dmm-mg", guidance="false")
    shipped = dataclasses.replace(REGISTRY["3dmm-mg"], weights=package / "3dmm-mg.safetensors")
    monkeypatch.setitem(REGISTRY, "3dmm-mg", shipped)
    assert weights_about("3dmm-mg")["guidance"] == "false"
    assert weights_about("3dmm-mg", site).get("guidance") is None
    assert weights_digest("3dmm-mg", site) == before
    assert weights_digest("3dmm-mg", tmp_path) == weights_digest("3dmm-mg") != before


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"size": "50,50,50"}, "multiples of 16"),
        ({"size": "48,48"}, "3 multiples of 16"),
        ({"size": "16,48,48"}, "from 32 on"),
        ({"meaning": "GUESS"}, "OCCUPANCY or PROBABILITY"),
        ({"network": "3dmm"}, "found weights of '3dmm'"),
    ],
)
def test_a_file_that_does_not_fit_is_a_problem_before_it_is_used(unshipped, tmp_path, about, said):
    assert said in problem_of("3dmm-mg", written(tmp_path / "site", "3dmm-mg", **about))


def test_what_a_file_says_changes_size_and_meaning():
    assert contract_of("3dmm-mg", {"size": "48,48,64"}).size == (48, 48, 64)
    assert contract_of("3dmm-mg", {}) == REGISTRY["3dmm-mg"].contract
    assert meaning_of("3dmm-mg", {"meaning": "PROBABILITY"}) == "PROBABILITY"
    assert meaning_of("3dmm-mg", {}) == "OCCUPANCY"


def test_weights_of_another_form_are_refused(unshipped, tmp_path):
    folder = written(tmp_path / "site", "3dmm-mg", guidance="true")
    state = REGISTRY["3dmm-mg"].make({"guidance": "false"}).state_dict()
    save_file(state, folder / "3dmm-mg.safetensors", metadata={"network": "3dmm-mg"})
    with pytest.raises(NoWeightsError, match="its tensors are not those"):
        load_network("3dmm-mg", folder=folder)
    save_file(state, folder / "3dmm-mg.safetensors", {"network": "3dmm-mg", "guidance": "yes"})
    with pytest.raises(NoWeightsError, match="found guidance 'yes'"):
        load_network("3dmm-mg", folder=folder)


def test_a_missing_package_names_its_extra(monkeypatch, unshipped, tmp_path):
    folder = written(tmp_path / "site", "3dmm-mg")
    needing = dataclasses.replace(
        REGISTRY["3dmm-mg"], extra="baselines", packages=("torch", "safetensors", "monai")
    )
    monkeypatch.setitem(REGISTRY, "3dmm-mg", needing)
    monkeypatch.setattr(
        models.loading, "find_spec", lambda name: None if name == "monai" else object()
    )
    said = problem_of("3dmm-mg", folder)
    assert "needs MONAI" in said
    assert "extra `baselines`" in said


def test_weights_say_over_how_many_views_alpha_is_the_mean():
    assert contract_of("region-aware", {"views": "8"}).views == 8
    assert contract_of("region-aware", {}).views == 1
    with pytest.raises(NoWeightsError, match=r"say views '2', expected 1 or 4 or 8"):
        contract_of("region-aware", {"views": "2"})
    with pytest.raises(NoWeightsError, match=r"say views '8', expected 1"):
        contract_of("3dmm", {"views": "8"})
