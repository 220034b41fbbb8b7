"""A folder gets whole files under names that stay, and nothing of the node's own besides."""

from __future__ import annotations

import os

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.deliver import drop_folder
from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.parcel import Parcel
from dicomnode.settings import FolderDestination
from tests.dicomnode.deliver.results_on_disk import segs

SEG = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture
def parcels(tmp_path) -> list[Parcel]:
    return [Parcel(n, SEG, path) for n, path in enumerate(segs(2, tmp_path / "results"))]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def destination(folder, **changes) -> FolderDestination:
    return FolderDestination(**({"name": "drop", "kind": "folder", "path": folder} | changes))


def deliver(parcels, destination):
    return [answer for _, answer in drop_folder.send(parcels, destination, "NODE")]


@pytest.mark.parametrize(("subfolders", "depth"), [("none", 0), ("study", 1), ("series", 2)])
def test_each_object_is_one_file_however_often_it_comes(parcels, folder, subfolders, depth):
    peer = destination(folder, subfolders=subfolders)
    for _ in range(2):
        answers = deliver(parcels, peer)
        assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert [path.name for path in files] == sorted(path.path.name for path in parcels)
    for parcel, path in zip(parcels, files, strict=True):
        sent = pydicom.dcmread(parcel.path)
        assert pydicom.dcmread(path) == sent
        above = [sent.StudyInstanceUID, sent.SeriesInstanceUID][:depth]
        assert path.relative_to(folder).parts[:-1] == tuple(above)
        assert str(path.relative_to(folder)) in answers[0].words + answers[1].words


def test_it_can_be_uncompressed(parcels, folder):
    deliver(parcels, destination(folder, transfer_syntax="explicit-le"))
    for path in folder.iterdir():
        assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_nothing_half_written_is_ever_seen(parcels, folder, monkeypatch):
    seen = []
    replace = os.replace

    def look(source, target):
        visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
        seen.append((len(visible), os.path.getsize(source)))
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    deliver(parcels, destination(folder))
    # At the moment a file appears, it is whole.
    sizes = [path.stat().st_size for path in sorted(folder.iterdir())]
    assert seen == [(0, sizes[0]), (1, sizes[1])]


def test_a_folder_that_is_not_mounted_is_waited_for_and_not_made(parcels, tmp_path):
    missing = tmp_path / "not mounted"
    answers = deliver(parcels, destination(missing))
    assert {answer.verdict for answer in answers} == {Verdict.REPEAT}
    assert not missing.exists()


def test_a_file_system_that_refuses_is_tried_again(parcels, folder, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    (answer, _) = deliver(parcels, destination(folder))
    assert answer.verdict is Verdict.REPEAT
    assert "No space left" in answer.words
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("subfolders", ["none", "study"])
def test_what_a_crash_left_is_swept_and_nothing_else(parcels, folder, subfolders):
    peer = destination(folder, subfolders=subfolders)
    below = folder if subfolders == "none" else folder / "1.2"
    below.mkdir(exist_ok=True)
    left = below / ".1.2.3.dcm.0123456789abcdef.part"
    others = [below / "download.part", below / ".1.2.3.dcm.part", below / "1.2.3.dcm"]
    for path in (left, *others):
        path.write_bytes(b"x")
    assert drop_folder.sweep(peer) == 1
    assert not left.exists()
    assert all(path.exists() for path in others)
