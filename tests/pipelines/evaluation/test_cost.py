"""What methods cost."""

from __future__ import annotations

import dataclasses

import pytest

from models import REGISTRY
from pipelines.evaluation.cost import cost_of, counted, lesions


@pytest.mark.parametrize(
    ("name", "parameters", "giga"),
    [("3dmm", 2_940_327, 342.46), ("3dmm-m", 2_829_603, 244.50), ("3dmm-mg", 32_577, 5.64)],
)
def test_the_papers_numbers_without_weights_and_without_computing(name, parameters, giga):
    found, operations = counted(name)
    assert found == parameters
    assert round(operations / 1e9, 2) == giga


def test_a_network_without_weights_has_a_cost_and_no_time(monkeypatch, tmp_path):
    bare = dataclasses.replace(REGISTRY["3dmm-mg"], weights=tmp_path / "absent.safetensors")
    monkeypatch.setitem(REGISTRY, "3dmm-mg", bare)
    cost = cost_of("3dmm-mg", [], 0, 0)
    assert (cost.parameters, cost.problem) == (32_577, "no weights")
    assert cost.milliseconds is None
    assert cost.weights_mb is None


def test_what_is_no_method_is_not_timed():
    assert cost_of("super-resolution", [], 0, 0).problem.startswith("no method")


def test_a_method_is_timed_and_its_memory_measured_in_a_process_of_its_own():
    patches = lesions(1, 100)
    cost = cost_of("closed-form", patches, 1, 100)
    assert cost.milliseconds > 0
    assert cost.cpu_milliseconds > 0
    assert 50 < cost.peak_mb < 5000
    assert cost.parameters is None
