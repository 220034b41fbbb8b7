"""A store with many instances, each with its file and its row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.receive import write_series
from dicomnode.receive.header import read_file
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore
from dicomnode.store.states import InstanceState
from dicomnode.store.tables import Instance

_OF_A_SERIES = 400
_LINKS = 20_000
"""Of one file; file systems have a limit (ext4: 65,000)."""

_ROWS = 5_000


def fill(store: Path, url: str, count: int) -> None:
    """Make a store of `count` CT slices in series of 400, as the receiver leaves them.

    Every row has a file of its own name; files are links to a few, because only their names are
    looked at when a node starts.

    Parameters
    ----------
    store : Path
        The node's folder; must not exist.
    url : str
        Of its database.
    count : int
    """
    files = FileStore(store, 0)
    database = Database(url)
    try:
        database.upgrade()
        rows = _rows(files, store.with_name("sources"), count)
        while some := list(islice(rows, _ROWS)):
            with database.write() as session:
                session.execute(insert(Instance), some)
    finally:
        database.close()


def _rows(files: FileStore, sources: Path, count: int) -> Iterator[dict[str, Any]]:
    sources.mkdir()
    write_series(sources, -(-count // _LINKS), 16)
    examples = [(path, read_file(path)) for path in sorted(sources.iterdir())]
    for number in range(count):
        series, index = divmod(number, _OF_A_SERIES)
        source, example = examples[number // _LINKS]
        header = replace(
            example.header,
            study_instance_uid=f"2.25.1.{series + 1}",
            series_instance_uid=f"2.25.2.{series + 1}",
            sop_instance_uid=f"2.25.3.{number + 1}",
            frame_of_reference_uid=f"2.25.4.{series + 1}",
            instance_number=index + 1,
            image_position=(0.0, 0.0, float(index)),
        )
        folder = files.instances / header.study_instance_uid / header.series_instance_uid
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{header.sop_instance_uid}.dcm"
        os.link(source, path)
        yield asdict(header) | {
            "path": str(path),
            "size": example.size,
            "calling_ae": "FILLED",
            "called_ae": "DICOMNODE",
            "state": InstanceState.HELD,
        }
