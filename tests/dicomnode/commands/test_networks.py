"""The list says what a network needs, has and lacks."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from dicomnode.commands import app
from models import REGISTRY, problem_of, weights_digest
from tests.models.test_loading import unshipped, written

__all__ = ["unshipped"]


def listed(*arguments):
    done = CliRunner().invoke(app, ["networks", "--json", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return {one["name"]: one for one in json.loads(done.output)}


@pytest.fixture(autouse=True)
def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_every_network_is_listed_with_what_ships():
    found = listed()
    assert list(found) == list(REGISTRY)
    for name, one in found.items():
        assert one["problem"] == problem_of(name)
        assert one["device"] == "cpu"
    shipped = found["recist-net"]
    assert (shipped["weights"], shipped["meaning"]) == ("shipped", "PROBABILITY")
    assert shipped["digest"] == weights_digest("recist-net")
    assert found["3dmm"]["parameters"] == 2_940_327
    assert not found["super-resolution"]["method"]


def test_a_sites_weights_are_called_so(unshipped, tmp_path):
    folder = written(tmp_path / "site", "3dmm-mg", meaning="PROBABILITY", size="48,48,48")
    found = listed("--weights", folder)
    one = found["3dmm-mg"]
    assert (one["weights"], one["problem"]) == ("site", None)
    assert (one["meaning"], one["size"]) == ("PROBABILITY", [48, 48, 48])
    assert found["3dmm"]["weights"] == "none"
    assert "has no weights" in found["3dmm"]["problem"]


def test_a_wrong_file_is_a_problem_and_no_end(unshipped, tmp_path):
    folder = written(tmp_path / "site", "3dmm-mg", network="3dmm")
    assert "found weights of '3dmm'" in listed("--weights", folder)["3dmm-mg"]["problem"]


def test_the_table_is_for_readers():
    done = CliRunner().invoke(app, ["networks"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for said in ("recist-net", "96 x 96 x 96 of 0.5 mm", "no method"):
        assert said in done.output
