"""Instances found in folders, and after a crash."""

from __future__ import annotations

import os
import threading
from dataclasses import replace

import pytest

from dicomnode.receive.folder import find_instances
from dicomnode.receive.part10 import file_head
from dicomnode.receive.reconcile import Reconciled, Reconciler, reconcile
from dicomnode.store.files import FileStore
from tests.dicomnode.receive.loopback import CT, EXPLICIT, MemoryIndex, ct, encode


def _part10(data_set) -> bytes:
    head = file_head(data_set.SOPClassUID, data_set.SOPInstanceUID, EXPLICIT, "CT1", "NODE")
    return head + encode(data_set)


def test_each_file_of_a_folder_is_an_instance_or_has_a_reason(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    data_set = ct()
    (tmp_path / "a" / "b" / "IM0001").write_bytes(_part10(data_set))
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / "cut.dcm").write_bytes(_part10(ct())[:-10])
    (tmp_path / "DICOMDIR").write_bytes(b"")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "mr.dcm").write_bytes(_part10(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.4")))
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    findings = {finding.path.name: finding for finding in find_instances(tmp_path)}

    assert set(findings) == {
        "IM0001", "notes.txt", "cut.dcm", "DICOMDIR", "empty", "mr.dcm", "gone", "pipe",
    }  # fmt: skip
    taken = findings.pop("IM0001").received
    assert taken.path == tmp_path / "a" / "b" / "IM0001"
    assert taken.size == taken.path.stat().st_size
    assert taken.header.sop_instance_uid == data_set.SOPInstanceUID
    assert all(finding.received is None and finding.reason for finding in findings.values())
    assert "PS3.10" in findings["notes.txt"].reason
    assert "SOP class" in findings["mr.dcm"].reason


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(NotADirectoryError):
        list(find_instances(tmp_path / "nowhere"))


def _keep(store, data_set):
    head = file_head(CT, data_set.SOPInstanceUID, EXPLICIT, "CT1", "NODE")
    with store.begin(head) as part:
        part.write(encode(data_set))
        return part.keep(
            data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID
        ).path


def test_what_a_crash_kept_from_the_index_is_indexed_once(tmp_path):
    store, index = FileStore(tmp_path, 0), MemoryIndex()
    lost = [ct() for _ in range(3)]
    paths = {_keep(store, data_set) for data_set in lost}
    (store.instances / "1.2").mkdir()
    (store.instances / "1.2" / "broken.dcm").write_bytes(b"no DICOM")

    assert reconcile(store, index) == Reconciled(indexed=3, superseded=0, unreadable=1)
    assert index.paths() == paths
    received = index.received[lost[0].SOPInstanceUID]
    assert (received.calling_ae, received.called_ae) == ("CT1", "NODE")
    assert received.header.instance_number == 7
    assert reconcile(store, index) == Reconciled(indexed=0, superseded=0, unreadable=1)
    assert index.added == 3


def test_known_files_are_not_opened(tmp_path, monkeypatch):
    store, index = FileStore(tmp_path, 0), MemoryIndex()
    _keep(store, ct())
    reconcile(store, index)

    def opened(_path):
        raise AssertionError("a known file was opened")

    monkeypatch.setattr("dicomnode.receive.reconcile.read_file", opened)
    assert reconcile(store, index) == Reconciled(0, 0, 0)


def test_an_older_version_does_not_take_the_place_of_the_indexed_one(tmp_path):
    store, index = FileStore(tmp_path, 0), MemoryIndex()
    first = ct()
    second = ct(SeriesDescription="Newer")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(second, keyword, getattr(first, keyword))
    _keep(store, first)
    newest = _keep(store, second)
    assert newest.name.endswith(".2.dcm")
    assert reconcile(store, index) == Reconciled(indexed=1, superseded=1, unreadable=0)
    assert index.paths() == {newest}
    # Where the indexed file is lost, the other one is what there is.
    newest.unlink()
    assert reconcile(store, index) == Reconciled(indexed=1, superseded=0, unreadable=0)


def test_what_comes_in_now_is_left_to_who_is_writing_it(tmp_path):
    store, index = FileStore(tmp_path, 0), MemoryIndex()
    path = _keep(store, ct())
    changed = path.stat().st_mtime
    assert reconcile(store, index, before=changed) == Reconciled(0, 0, 0)
    assert reconcile(store, index, before=changed + 1) == Reconciled(1, 0, 0)


def test_a_version_that_comes_in_meanwhile_keeps_its_place(tmp_path):
    store, index = FileStore(tmp_path, 0), MemoryIndex()
    older = ct()
    _keep(store, older)
    newer = ct(SeriesDescription="Newer")
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(newer, keyword, getattr(older, keyword))
    put, kept = index.put, []

    def put_late(received, instead_of):
        if not kept:
            kept.append(_keep(store, newer))
            index.add(replace(received, path=kept[0]))
        return put(received, instead_of)

    index.put = put_late
    assert reconcile(store, index).superseded == 1
    assert index.paths() == set(kept)


def test_reconciling_goes_on_when_the_index_is_back_and_ends_when_told(tmp_path, monkeypatch):
    monkeypatch.setattr("dicomnode.receive.reconcile._PAUSE_AFTER_FAULT_S", 0.05)
    store, index = FileStore(tmp_path, 0), MemoryIndex()
    lost = ct()
    _keep(store, lost)
    old = store.instances / lost.StudyInstanceUID / lost.SeriesInstanceUID
    for path in old.iterdir():
        os.utime(path, (0, 0))
    index.fails, told = OSError("away"), threading.Event()
    reconciler = Reconciler(store, index, lambda _: told.set())
    reconciler.start()
    assert not told.wait(0.2)
    index.fails = None
    assert told.wait(10)
    reconciler.stop()
    assert list(index.received) == [lost.SOPInstanceUID]

    stopped = Reconciler(store, MemoryIndex(), lambda _: None)
    stopped.stop()
    stopped.start()
    stopped.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "reconcile"]
