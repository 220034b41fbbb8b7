"""A rule whose network cannot be run stops the start with its line and the reason."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from concurrent.futures import Future

import pytest
import torch

import models.loading
from dicomnode.jobs.network_place import say_where_networks_run
from dicomnode.settings import SettingsError, load_settings
from models import REGISTRY
from pipelines.networks.options import NetworkOptions
from tests.models.test_loading import written

CONFIGURATION = """
[networks]
{networks}

[[destinations]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 104

[[rules]]
name = "first"
destinations = ["pacs"]
match = {{ body_part = "HEAD" }}

[[rules]]
name = "second"
method = "{method}"
destinations = ["pacs"]
"""
LINE = 18
"""Of the second rule's method."""


@pytest.fixture
def load(tmp_path):
    def loaded(method, networks=""):
        path = tmp_path / "node.toml"
        path.write_text(CONFIGURATION.format(method=method, networks=networks))
        return load_settings(path)

    return loaded


@pytest.fixture(autouse=True)
def unshipped(monkeypatch, tmp_path):
    """Of the ghost network, whatever the package ships."""
    absent = dataclasses.replace(REGISTRY["3dmm-mg"], weights=tmp_path / "none" / "x.safetensors")
    monkeypatch.setitem(REGISTRY, "3dmm-mg", absent)


def no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def test_no_weights(load):
    with pytest.raises(SettingsError, match=rf":{LINE}: rules.1.method: .*3dmm-mg has no weights"):
        load("3dmm-mg")


def test_a_folder_with_the_weights_mends_it(load, tmp_path):
    folder = written(tmp_path / "site", "3dmm-mg")
    settings = load("3dmm-mg", f'weights = "{folder}"\nbatch = 2')
    assert settings.networks.options == NetworkOptions(weights=folder, batch=2)


def test_a_folder_without_them_does_not(load, tmp_path):
    with pytest.raises(SettingsError, match=rf"neither in the package nor in {tmp_path}"):
        load("3dmm-mg", f'weights = "{tmp_path}"')


def test_a_folder_that_is_not_there(load, tmp_path):
    with pytest.raises(SettingsError, match=r"3: networks.weights: .*path of a folder"):
        load("occupancy", f'weights = "{tmp_path / "nowhere"}"')


def test_no_pytorch(load, monkeypatch):
    monkeypatch.setattr(models.loading, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=rf":{LINE}: .*install the extra `networks`"):
        load("recist-net")


def test_a_device_that_is_not_there(load, monkeypatch):
    no_cuda(monkeypatch)
    with pytest.raises(SettingsError, match=rf":{LINE}: .*'cuda:1' is not there"):
        load("recist-net", 'device = "cuda:1"')
    # A node whose rules name no network needs none.
    assert load("occupancy", 'device = "cuda:1"').networks.device == "cuda:1"


def test_a_precision_that_the_cpu_does_not_have(load):
    with pytest.raises(SettingsError, match="on the CPU, which works in fp32"):
        load("recist-net", 'device = "cpu"\nprecision = "fp16"')


def test_the_teacher_is_no_method(load):
    with pytest.raises(SettingsError, match="no method 'super-resolution'"):
        load("super-resolution")


def now(function, *arguments):
    done = Future()
    try:
        done.set_result(function(*arguments))
    except Exception as error:
        done.set_exception(error)
    return done


def test_the_fallback_is_logged_once_at_start(load, monkeypatch, caplog):
    no_cuda(monkeypatch)
    with caplog.at_level(logging.INFO, "dicomnode"):
        say_where_networks_run(load("recist-net"), now)
        say_where_networks_run(load("occupancy"), now)
    (record,) = caplog.records
    assert record.getMessage() == (
        "networks.device device=cpu precision=fp32 (no CUDA device was found)"
    )


def test_a_file_that_stands_before_the_packages_is_told(load, tmp_path, monkeypatch, caplog):
    no_cuda(monkeypatch)
    shutil.copy(REGISTRY["recist-net"].weights, tmp_path)
    with caplog.at_level(logging.INFO, "dicomnode"):
        say_where_networks_run(load("recist-net", f'weights = "{tmp_path}"'), now)
    assert "network=recist-net the folder's, not the package's" in caplog.text
