"""Send studies to a running node with storescu, and fetch their SEGs from Orthanc."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion


@dataclass(frozen=True)
class RoundTrip:
    """What came back.

    Attributes
    ----------
    segs : dict of str to Path
        Study Instance UID to the SEG in it, as Orthanc gave it out.
    seconds : float
        From the first byte sent to the last SEG found.
    """

    segs: dict[str, Path]
    seconds: float


def round_trip(
    objects: Sequence[Path], lesions: int, work: Path, *, timeout_s: float = 300.0
) -> RoundTrip:
    """Run the node with Orthanc as its PACS, send everything at once, wait for the SEGs.

    Parameters
    ----------
    objects : sequence of Path
        Files or folders to send.
    lesions : int
        How many SEGs to wait for, one a study.
    work : Path
        For both programs' files.

    Raises
    ------
    TimeoutError
        With what the node says of the lesions that are missing.
    """
    with (
        Orthanc(work / "orthanc") as pacs,
        NodeProcess(
            work / "node", pacs.AE_TITLE, pacs.dicom_port, collect={"quiet_period_s": 3.0}
        ) as node,
    ):
        start = time.monotonic()
        storescu(node.port, node.AE_TITLE, objects)
        while len(found := pacs.find("SEG")) < lesions:
            if time.monotonic() - start > timeout_s:
                raise TimeoutError(f"{len(found)} of {lesions} SEGs came: {_reasons(node)}")
            time.sleep(0.1)
        seconds = time.monotonic() - start
        paths = [pacs.save(orthanc_id, work / "segs") for orthanc_id in found]
    segs = {str(hd.seg.segread(path).StudyInstanceUID): path for path in paths}
    return RoundTrip(segs, seconds)


def _reasons(node: NodeProcess) -> str:
    with node.rows() as session:
        rows = session.execute(
            select(Lesion.state, Lesion.reason).where(Lesion.state != LesionState.PUBLISHED)
        ).all()
    return "; ".join(f"{state.value}: {reason}" for state, reason in rows) or "no lesion waits"
