"""Promises of the file store."""

from __future__ import annotations

import errno
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.store.files import DiskFull, FileStore, StorageError, write_durably
from dicomnode.store.uid import is_valid_uid

UIDS = ("1.2.3", "1.2.3.4", "1.2.3.4.5")
HEAD = bytes(128) + b"DICM\x02\x00\x00\x00UL\x04\x00\x04\x00\x00\x00" + b"meta"


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path, reserve_bytes=0)


def _files(store):
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def _keep(store, data, head=HEAD, uids=UIDS):
    with store.begin(head) as part:
        part.write(data)
        return part.keep(*uids)


def test_a_kept_file_lies_under_its_uids_and_nowhere_else(store):
    stored = _keep(store, b"data set")
    assert stored.path == store.instances / "1.2.3" / "1.2.3.4" / "1.2.3.4.5.dcm"
    assert stored.path.read_bytes() == HEAD + b"data set"
    assert (stored.size, stored.written) == (len(HEAD) + 8, True)
    assert _files(store) == [stored.path]


def test_everything_is_synchronised_before_it_counts_as_kept(store, monkeypatch):
    steps = []
    fsync, rename = os.fsync, os.rename

    def noting_fsync(descriptor):
        steps.append(("fsync", os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def noting_rename(source, target):
        steps.append(("rename", str(target)))
        rename(source, target)

    monkeypatch.setattr("dicomnode.store.part_file.os.fsync", noting_fsync)
    monkeypatch.setattr("dicomnode.store.part_file.os.rename", noting_rename)
    with store.begin(HEAD) as part:
        part.write(b"data set")
        incoming = os.readlink(f"/proc/self/fd/{part.fileno()}")
        stored = part.keep(*UIDS)
    instances = store.instances
    assert steps == [
        ("fsync", str(instances)),
        ("fsync", str(instances / "1.2.3")),
        ("fsync", incoming),
        ("rename", str(stored.path)),
        ("fsync", str(stored.path.parent)),
    ]


def test_what_is_not_kept_is_removed(store):
    with store.begin(HEAD) as part:
        part.write(b"x")
        assert len(_files(store)) == 1
    assert _files(store) == []
    with pytest.raises(KeyError), store.begin(HEAD):
        raise KeyError
    assert _files(store) == []


def test_an_identical_data_set_is_recognised_whatever_its_meta_information(store):
    first = _keep(store, b"data set")
    other_head = HEAD[:140] + b"\x06\x00\x00\x00" + b"longer"
    again = _keep(store, b"data set", head=other_head)
    assert (again.path, again.written, again.size) == (first.path, False, first.size)
    assert _files(store) == [first.path]


def test_versions_count_up_and_each_is_recognised(store):
    data = [b"one", b"two", b"three"]
    names = [_keep(store, item).path.name for item in data]
    assert names == ["1.2.3.4.5.dcm", "1.2.3.4.5.2.dcm", "1.2.3.4.5.3.dcm"]
    assert [_keep(store, item).written for item in data] == [False, False, False]


def test_the_same_instance_on_many_threads_is_kept_once(store):
    barrier = threading.Barrier(8)
    kept = []

    def send():
        with store.begin(HEAD) as part:
            part.write(b"data set")
            barrier.wait()
            kept.append(part.keep(*UIDS))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(stored.written for stored in kept) == 1
    assert {stored.path for stored in kept} == set(_files(store))


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("wrong", ["", ".", "..", "../1", "1/2", "1..2", "01", "1.2.", "a", "1\n"])
def test_what_is_no_uid_never_becomes_a_path(store, position, wrong):
    uids = list(UIDS)
    uids[position] = wrong
    with pytest.raises(ValueError, match="not a UID"):
        _keep(store, b"data set", uids=uids)
    assert _files(store) == []


@given(st.text(alphabet="0123456789./\n\0a", max_size=70))
def test_a_valid_uid_is_digits_and_single_dots(text):
    expected = 0 < len(text) <= 64 and all(
        part.isdigit() and part.isascii() and (part == "0" or part[0] != "0")
        for part in text.split(".")
    )
    assert is_valid_uid(text) == expected


def test_the_reserve_is_kept(tmp_path):
    free = [1000]
    store = FileStore(tmp_path, reserve_bytes=1000, free_bytes=lambda _: free[0])
    assert _keep(store, b"data set").written
    free[0] = 999
    with pytest.raises(DiskFull, match="999 bytes free, 1000"):
        store.begin(HEAD)


def test_the_reserve_is_kept_while_a_large_object_comes_in(tmp_path):
    free = [10**9]
    store = FileStore(tmp_path, reserve_bytes=1000, free_bytes=lambda _: free[0])
    with store.begin(HEAD) as part:
        free[0] = 10
        with pytest.raises(DiskFull):
            part.write(bytes(2**24))
    assert _files(store) == []


def _write_and_keep(part):
    part.write(b"data set")
    part.keep(*UIDS)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, StorageError)],
)
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_refusal_of_the_file_system_is_typed_and_leaves_nothing(
    store, monkeypatch, call, number, kind
):
    def refuses(*_arguments):
        raise OSError(number, os.strerror(number))

    with store.begin(HEAD) as part, monkeypatch.context() as patch:
        patch.setattr(f"dicomnode.store.part_file.os.{call}", refuses)
        with pytest.raises(kind) as caught:
            _write_and_keep(part)
    assert type(caught.value) is kind
    assert _files(store) == []


def test_a_real_full_disk_is_typed_and_leaves_nothing(tmp_path):
    # RLIMIT_FSIZE would kill with SIGXFSZ elsewhere; Python ignores it, and write() says EFBIG.
    import resource

    store = FileStore(tmp_path, reserve_bytes=0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with store.begin(HEAD) as part, pytest.raises(DiskFull):
            part.write(bytes(200_000))
        with pytest.raises(DiskFull):
            write_durably(tmp_path / "mask", lambda file: file.write(bytes(200_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _files(store) == []


def test_sweep_removes_what_a_crash_left_and_nothing_else(tmp_path):
    store = FileStore(tmp_path, reserve_bytes=0)
    kept = _keep(store, b"data set").path
    (store.incoming / "0123.part").write_bytes(b"half")
    again = FileStore(tmp_path, reserve_bytes=0)
    assert again.sweep() == 1
    assert again.sweep() == 0
    assert _files(again) == [kept]


def test_write_durably_replaces_wholly(tmp_path):
    path = tmp_path / "new" / "folder" / "mask.npz"
    assert write_durably(path, lambda file: file.write(b"first")) == path
    write_durably(path, lambda file: file.write(b"second"))
    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["mask.npz"]


def test_write_durably_keeps_the_old_content_when_the_writer_fails(tmp_path):
    path = tmp_path / "mask.npz"
    write_durably(path, lambda file: file.write(b"first"))

    def fails(file):
        file.write(b"half")
        raise KeyError("the writer's own")

    with pytest.raises(KeyError):
        write_durably(path, fails)
    assert path.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["mask.npz"]


def test_a_root_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        FileStore(tmp_path / "file" / "store", reserve_bytes=0)
