"""How long the operator's pages take, over a store with many lesions.

``python -m benchmarks.web_pages [--lesions 10000] [--instances 200] [--rounds 7]``

Fills an empty store with rows, serves the pages over a real socket, asks for each, and prints
milliseconds of CPU and wall of the median round. Writes ``bench-out/web_pages.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert
from starlette.applications import Starlette

from dicomnode.marks.recist_mark import RecistMark
from dicomnode.marks.serialised import to_json
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile
from dicomnode.web.operator.routes import operator_routes
from dicomnode.web.pages import static_files
from dicomnode.web.service import WebService

ROOT = "1.2.826.0.1.3680043.8.498.99"
"""Below it all made UIDs lie."""
PAGES = (
    "/studies",
    "/studies?sort=-failed&state=failed",
    "/studies?q=chest&page=3",
    "/lesions",
    "/lesions?state=failed&sort=volume",
    "/lesions?page=150",
    "/deliveries?state=refused",
    "/destinations",
    "/rules",
    "/running",
)
_STATES = (
    *([LesionState.PUBLISHED] * 14),
    LesionState.WAITING,
    LesionState.READY,
    LesionState.SEGMENTED,
    LesionState.REFUSED,
    LesionState.SUPERSEDED,
    LesionState.FAILED,
)
_REASONS = {
    LesionState.WAITING: "slices of its CT are missing",
    LesionState.FAILED: "the worker took more than 4096 MB",
    LesionState.REFUSED: "no rule fits",
    LesionState.SUPERSEDED: "lesion 1 is newer",
}


def fill(database: Database, lesions: int, instances: int, a_study: int = 4) -> None:
    """Write rows as a node would have them after some weeks.

    Parameters
    ----------
    database : Database
        Empty, with its tables.
    lesions : int
    instances : int
        Of each study.
    a_study : int
        Lesions of a study.
    """
    now = time.time()
    studies = -(-lesions // a_study)
    with database.write() as session:
        for rows in _in_parts(_instance_rows(studies, instances, now)):
            session.execute(insert(Instance), rows)
        for rows in _in_parts(_lesion_rows(lesions, instances, a_study, now)):
            session.execute(insert(Lesion), rows)
        made = [n for n in range(1, lesions + 1) if _state(n) is LesionState.PUBLISHED]
        for rows in _in_parts(_result_rows(made, now)):
            session.execute(insert(Result), rows)
        for rows in _in_parts(_delivery_rows(len(made), now)):
            session.execute(insert(Delivery), rows)


def _state(number: int) -> LesionState:
    return _STATES[number % len(_STATES)]


def _instance_rows(studies: int, instances: int, now: float) -> Iterator[dict[str, Any]]:
    common = {
        "transfer_syntax_uid": "1.2.840.10008.1.2.1", "body_part": "CHEST", "image_type": [],
        "calling_ae": "CT1", "called_ae": "SOFTMASK", "path": "none", "size": 526_000,
    }  # fmt: skip
    for study in range(studies):
        uid = f"{ROOT}.{study}"
        for number in range(instances + 1):
            is_mark = number == instances
            yield common | {
                "sop_instance_uid": f"{uid}.{int(is_mark)}.{number}",
                "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.33"
                if is_mark
                else "1.2.840.10008.5.1.4.1.1.2",
                "study_instance_uid": uid,
                "series_instance_uid": f"{uid}.{int(is_mark)}",
                "modality": "SR" if is_mark else "CT",
                "study_description": "CT chest with contrast" if study % 3 else "CT abdomen",
                "series_description": "RECIST" if is_mark else "1.5 mm",
                "received_at": now - 60.0 * study,
                "state": InstanceState.EXAMINED if is_mark else InstanceState.HELD,
            }


def _lesion_rows(
    lesions: int, instances: int, a_study: int, now: float
) -> Iterator[dict[str, Any]]:
    for number in range(1, lesions + 1):
        study, state = (number - 1) // a_study, _state(number)
        uid = f"{ROOT}.{study}"
        known = state is not LesionState.WAITING
        yield {
            "id": number,
            "mark_key": f"{number:064d}",
            "mark": _mark(f"{uid}.1.{instances}", number),
            "source_sop_instance_uid": f"{uid}.1.{instances}",
            "study_instance_uid": uid if known else None,
            "series_instance_uid": f"{uid}.0" if known else None,
            "slices": [f"{uid}.0.{n}" for n in range(40)] if known else None,
            "rule": "chest" if study % 3 else "abdomen",
            "method": "closed-form",
            "state": state,
            "reason": _REASONS.get(state),
            "warnings": [],
            "soft_mask_path": "none" if state in (LesionState.PUBLISHED,) else None,
            "volume_ml": float(number % 97) if state is LesionState.PUBLISHED else None,
            "seconds": 2.5 if state is LesionState.PUBLISHED else None,
            "waiting_since": now - 15.0 * number,
            "changed_at": now - 10.0 * number,
        }


def _mark(source: str, number: int) -> dict[str, Any]:
    axes = np.array([[100.0 + number % 200, 200.0], [140.0, 220.0]])
    mark = RecistMark(axes, axes[:, ::-1].copy(), source, f"1.{number}", f"{source}.7")
    return to_json(mark)


def _result_rows(made: Sequence[int], now: float) -> Iterator[dict[str, Any]]:
    for number, lesion in enumerate(made, 1):
        yield {
            "id": number, "lesion_id": lesion, "kind": "fractional-seg",
            "sop_class_uid": "1.2.840.10008.5.1.4.1.1.66.4",
            "sop_instance_uid": f"{ROOT}.9.{number}", "path": "none", "size": 90_000,
            "created_at": now - 12.0 * number,
        }  # fmt: skip


def _delivery_rows(made: int, now: float) -> Iterator[dict[str, Any]]:
    states = (*([DeliveryState.COMMITTED] * 8), DeliveryState.QUEUED, DeliveryState.REFUSED)
    for number in range(1, made + 1):
        state = states[number % len(states)]
        held = state is DeliveryState.COMMITTED
        yield {
            "id": number, "result_id": number, "destination": "pacs", "state": state,
            "attempts": 1, "status": 0 if held else 0x0122,
            "peer_words": None if held else "SOP class not supported",
            "accepted_at": now - 11.0 * number if held else None,
            "committed_at": now - 10.5 * number if held else None,
            "changed_at": now - 10.0 * number,
        }  # fmt: skip


def _in_parts(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while part := list(islice(rows, 5000)):
        yield part


def serve(
    folder: Path, lesions: int, instances: int, loopback_role: str = "administrator"
) -> tuple[WebService, Database]:
    """Fill a store and serve its pages, with that role to whoever asks from this machine."""
    store = folder / "store"
    store.mkdir()
    settings = NodeSettings(
        store={"path": store},
        web={"port": 0, "loopback_role": loopback_role},
        destinations=[
            {"name": "pacs", "kind": "c-store", "host": "127.0.0.1", "port": 11112,
             "ae_title": "PACS"},
        ],
    )  # fmt: skip
    database = Database(settings.store.url)
    database.upgrade()
    fill(database, lesions, instances)
    access = Access(settings.web, TokenFile(store / "web-tokens"))
    service = WebService(
        settings.web,
        Starlette(
            routes=[static_files(), *access.routes, *operator_routes(settings, database)],
            middleware=list(access.middleware),
            exception_handlers=access.exception_handlers,
        ),
    )
    service.start()
    return service, database


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesions", type=int, default=10_000)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service, database = serve(Path(folder), asked.lesions, asked.instances)
        try:
            found = [_measured(service.port, path, asked.rounds) for path in PAGES]
        finally:
            service.stop()
            database.close()
    studies = -(-asked.lesions // 4)
    print(f"{asked.lesions} lesions, {studies} studies, {studies * asked.instances} images")
    print(f"{'page':38} {'CPU ms':>8} {'wall ms':>8} {'kB':>7}")
    for row in found:
        print(f"{row['page']:38} {row['cpu_ms']:8.1f} {row['wall_ms']:8.1f} {row['kb']:7.1f}")
    asked.out.mkdir(exist_ok=True)
    (asked.out / "web_pages.json").write_text(
        json.dumps({"lesions": asked.lesions, "instances": asked.instances, "pages": found})
    )


def _measured(port: int, path: str, rounds: int) -> dict[str, Any]:
    cpu, wall, size = [], [], 0
    for _ in range(rounds + 1):
        began, cpu_began = time.perf_counter(), time.process_time()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            size = len(answer.read())
        cpu.append(time.process_time() - cpu_began)
        wall.append(time.perf_counter() - began)
    # The first one compiles the template.
    return {
        "page": path,
        "cpu_ms": 1000 * statistics.median(cpu[1:]),
        "wall_ms": 1000 * statistics.median(wall[1:]),
        "kb": size / 1000,
    }


if __name__ == "__main__":
    main()
