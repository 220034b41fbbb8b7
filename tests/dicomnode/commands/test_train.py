"""`dicomnode train`: from a configuration to weights, and on after a stop."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from models import load_network
from pipelines.training.settings import load_training_settings

ROOT = Path(__file__).parents[3]
TINY = """
steps = {steps}
batch = 2
folder = "run"
keep_every = 100
validate_every = 100
device = "cpu"
threads = 1
[network]
widths = [4, 6]
blocks = 1
[data]
cache = "cache"
phantoms = 2
planes = 2
"""


@pytest.fixture
def runner(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def test_every_shipped_configuration_loads():
    found = sorted((ROOT / "config" / "train").glob("*.toml"))
    assert {path.name for path in found} >= {"recist.toml", "smoke.toml"}
    for path in found:
        load_training_settings(path)


def test_a_configuration_gives_weights(runner, tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY.format(steps=2))
    result = runner.invoke(app, ["train", "tiny.toml", "--weights", "w.safetensors"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "run" / "checkpoint.pt").is_file()
    load_network("recist-net", tmp_path / "w.safetensors")


def test_a_stop_keeps_what_was_learned(runner, tmp_path, monkeypatch):
    from pipelines.training import loop

    steps = []
    real = loop.rate_at

    def asked_after_three(step, *rest):
        steps.append(step)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(step, *rest)

    monkeypatch.setattr(loop, "rate_at", asked_after_three)
    (tmp_path / "tiny.toml").write_text(TINY.format(steps=5))
    before = signal.getsignal(signal.SIGTERM)
    assert runner.invoke(app, ["train", "tiny.toml"]).exit_code == 0
    assert steps == [0, 1, 2]
    assert signal.getsignal(signal.SIGTERM) is before
    assert runner.invoke(app, ["train", "tiny.toml"]).exit_code == 0
    assert steps == [0, 1, 2, 3, 4]


def test_what_is_wrong_is_told(runner, tmp_path):
    (tmp_path / "wrong.toml").write_text("steps = 0")
    result = runner.invoke(app, ["train", "wrong.toml"])
    assert result.exit_code == 2
    assert "steps" in result.output


def test_data_that_are_not_there_are_told(runner, tmp_path):
    text = TINY.format(steps=1).replace("phantoms = 2", 'phantoms = 2\nlidc = "absent"')
    (tmp_path / "tiny.toml").write_text(text)
    result = runner.invoke(app, ["train", "tiny.toml"])
    assert result.exit_code == 2
    assert "absent" in result.output
