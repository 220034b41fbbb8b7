"""At the end: is all there that was acknowledged, and nothing twice?"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.store.part_file import data_set_offset
from dicomnode.store.states import DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result

FINAL = {
    LesionState.PUBLISHED,
    LesionState.REFUSED,
    LesionState.SUPERSEDED,
    LesionState.FAILED,
}
_OPEN = {DeliveryState.QUEUED, DeliveryState.SENT}
_TOLD = 20


@dataclass(frozen=True)
class Findings:
    """What was found in the node and in Orthanc.

    Attributes
    ----------
    faults : list of str
        What broke a promise; empty where all held.
    still_open : list of str
        Lesions and deliveries that are not final.
    lesions, deliveries : dict
        How many are in which state.
    in_pacs : int
        Results that Orthanc has.
    """

    faults: list[str]
    still_open: list[str]
    lesions: dict[str, int]
    deliveries: dict[str, int]
    in_pacs: int


def is_settled(node: NodeProcess) -> bool:
    """Whether all marks were read, every lesion is final and every result on its way arrived."""
    with node.rows() as session:
        unread = session.scalar(
            select(Instance.state).where(Instance.state == InstanceState.RECEIVED).limit(1)
        )
        lesions = set(session.scalars(select(Lesion.state).distinct()))
        deliveries = set(session.scalars(select(Delivery.state).distinct()))
    return unread is None and lesions <= FINAL and not deliveries & _OPEN


def judge(
    node: NodeProcess, pacs: Orthanc, ledger: Mapping[str, str], reports: set[str]
) -> Findings:
    """Compare the ledger with the index and the files, and the results with Orthanc.

    Parameters
    ----------
    node : NodeProcess
    pacs : Orthanc
    ledger : mapping
        SHA-256 of what was acknowledged, by SOP Instance UID.
    reports : set of str
        SOP Instance UIDs of what marks one lesion each.
    """
    with node.rows() as session:
        paths = dict(session.execute(select(Instance.sop_instance_uid, Instance.path)).all())
        lesions = session.scalars(select(Lesion)).all()
        results = session.scalars(select(Result)).all()
        deliveries = session.scalars(select(Delivery)).all()
    faults = _lost(ledger, paths)
    still = [f"no lesion of report {uid}" for uid in _unmade(ledger, lesions, reports)]
    still += [f"lesion {one.id} is {one.state}" for one in lesions if one.state not in FINAL]
    still += [f"delivery {one.id} is {one.state}" for one in deliveries if one.state in _OPEN]
    sources = Counter(lesion.source_sop_instance_uid for lesion in lesions)
    faults += [f"{n} lesions of report {uid}" for uid, n in sources.items() if n > 1]
    sent_of = Counter(result.lesion_id for result in results if result.lesion_id is not None)
    faults += [f"{n} results of lesion {i}" for i, n in sent_of.items() if n > 1]
    found = _results_in(pacs)
    faults += _not_alike(found, lesions, results, deliveries)
    faults += [f"a part is left: {path.name}" for path in _parts(node.folder / "store")]
    return Findings(
        faults,
        still,
        dict(Counter(lesion.state.value for lesion in lesions)),
        dict(Counter(delivery.state.value for delivery in deliveries)),
        len(found),
    )


def told(faults: list[str]) -> list[str]:
    """The first of them, and how many more there are."""
    more = len(faults) - _TOLD
    return faults[:_TOLD] + ([f"and {more} more"] if more > 0 else [])


def _lost(ledger: Mapping[str, str], paths: Mapping[str, str]) -> list[str]:
    faults = []
    for uid, digest in ledger.items():
        if uid not in paths:
            faults.append(f"acknowledged and not in the index: {uid}")
            continue
        try:
            with open(paths[uid], "rb") as file:
                offset = data_set_offset(file)
                file.seek(offset)
                kept = hashlib.sha256(file.read()).hexdigest()
        except OSError as error:
            faults.append(f"acknowledged and not on disk: {uid} ({error.strerror})")
            continue
        if not offset or kept != digest:
            faults.append(f"acknowledged and not as it was sent: {uid}")
    return faults


def _unmade(ledger: Mapping[str, str], lesions: list[Lesion], reports: set[str]) -> set[str]:
    return (reports & ledger.keys()) - {lesion.source_sop_instance_uid for lesion in lesions}


def _results_in(pacs: Orthanc) -> list[tuple[str, str]]:
    """SOP and Study Instance UID of each result."""
    query = {
        "Level": "Instance",
        "Query": {"Modality": "SEG"},
        "Expand": True,
    }
    studies = {
        one["ID"]: one["MainDicomTags"]["StudyInstanceUID"] for one in pacs.ask("/studies?expand")
    }
    series = {one["ID"]: studies[one["ParentStudy"]] for one in pacs.ask("/series?expand")}
    return [
        (one["MainDicomTags"]["SOPInstanceUID"], series[one["ParentSeries"]])
        for one in pacs.ask("/tools/find", query)
    ]


def _not_alike(
    found: list[tuple[str, str]],
    lesions: list[Lesion],
    results: list[Result],
    deliveries: list[Delivery],
) -> list[str]:
    """Orthanc has the result of each published lesion once, and no other."""
    faults = []
    arrived = Counter(uid for uid, _ in found)
    faults += [f"Orthanc has {uid} {n} times" for uid, n in arrived.items() if n > 1]
    of_study = Counter(study for _, study in found)
    faults += [f"Orthanc has {n} results of {study}" for study, n in of_study.items() if n > 1]
    dead = {d.result_id for d in deliveries if d.state is not DeliveryState.ACCEPTED}
    alive = {lesion.id for lesion in lesions if lesion.state is LesionState.PUBLISHED}
    expected = {r.sop_instance_uid for r in results if r.lesion_id in alive and r.id not in dead}
    faults += [f"accepted and not in Orthanc: {uid}" for uid in sorted(expected - arrived.keys())]
    known = {result.sop_instance_uid for result in results}
    faults += [f"in Orthanc and of no lesion: {uid}" for uid in sorted(arrived.keys() - known)]
    return faults


def _parts(store: Path) -> list[Path]:
    return list(store.rglob("*.part"))
