"""Folders are made durable once, and again when they went."""

from __future__ import annotations

import os
import shutil

import pytest

from dicomnode.store.durable import DurableFolders
from dicomnode.store.files import FileStore

UIDS = ("1.2.3", "1.2.3.4", "1.2.3.4.5")


@pytest.fixture
def synchronised(monkeypatch):
    """Folders that were fsynced."""
    found: list[str] = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    return found


def test_a_folder_is_made_with_its_parents_and_each_is_named_durably(tmp_path, synchronised):
    folders = DurableFolders(tmp_path)
    path = folders.need("1.2", "1.2.3")
    assert os.path.isdir(path)
    assert synchronised == [str(tmp_path), str(tmp_path / "1.2")]
    folders.need("1.2", "1.2.4")
    assert synchronised[2:] == [str(tmp_path / "1.2")]
    folders.need("1.2", "1.2.3")
    assert len(synchronised) == 3


def test_one_that_a_former_run_made_is_made_durable_once(tmp_path, synchronised):
    (tmp_path / "1.2" / "1.2.3").mkdir(parents=True)
    folders = DurableFolders(tmp_path)
    for _ in range(2):
        folders.need("1.2", "1.2.3")
    assert synchronised == [str(tmp_path), str(tmp_path / "1.2")]


def test_one_that_went_is_made_again_once_that_is_said(tmp_path):
    folders = DurableFolders(tmp_path)
    folders.need("1.2", "1.2.3")
    shutil.rmtree(tmp_path / "1.2")
    with pytest.raises(FileNotFoundError):
        folders.need("1.2", "1.2.4")
    folders.forget("1.2", "1.2.4")
    assert os.path.isdir(folders.need("1.2", "1.2.4"))


@pytest.mark.parametrize("series", [UIDS[1], "1.2.3.9"])
def test_an_instance_of_a_study_that_was_deleted_is_kept_all_the_same(tmp_path, series):
    store = FileStore(tmp_path, 0)
    for sop in (UIDS[2], "1.2.3.4.6"):
        with store.begin(b"head") as part:
            part.write(b"data set")
            kept = part.keep(UIDS[0], series if sop != UIDS[2] else UIDS[1], sop)
        assert kept.path.read_bytes() == b"headdata set"
        shutil.rmtree(store.instances / UIDS[0])
