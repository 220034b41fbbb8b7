"""The demonstration: a phantom study goes in, soft masks come back, and are checked."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from sqlalchemy import select

from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.store_scu import Parcel, send
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.node import Node
from dicomnode.pictures.contact_sheet import Panel
from dicomnode.results.ladder import LADDER
from dicomnode.results.read_alpha import read_alpha
from dicomnode.settings import DicomDestination, NodeSettings
from dicomnode.store.states import DeliveryState, SummaryState
from dicomnode.store.tables import Delivery, Result, Summary
from pipelines.metrics import dice
from pipelines.phantom import ChestPhantom, PhantomNodule, chest

NODE_AE_TITLE = "DICOMNODE"
_TIMEOUT_S = 300.0
_TRIES = 3
_MARGIN = 6
_POLL_S = 0.05
_RECORD = "fractional-seg"
_ACCEPTED = DeliveryState.ACCEPTED
_SOP_CLASSES = tuple({rung.sop_class_uid for rung in LADDER.values()})


@dataclass(frozen=True, eq=False)
class Verified:
    """What came back for one nodule.

    Attributes
    ----------
    kind : str
    diameter_mm : float
        The long axis of the mark.
    volume_ml, true_volume_ml : float
        Soft volume of the SEG, and of the phantom.
    dice : float
        Of alpha >= 0.5 and occupancy >= 0.5.
    seconds : float
        From the report's acceptance by the node to the SEG's by the PACS.
    problems : tuple of str
        What is not as it should be; empty for a sound object.
    panel : Panel
    """

    kind: str
    diameter_mm: float
    volume_ml: float
    true_volume_ml: float
    dice: float
    seconds: float
    problems: tuple[str, ...]
    panel: Panel


@dataclass(frozen=True)
class Demonstration:
    """All that came back.

    Attributes
    ----------
    nodules : tuple of Verified
    companions : dict
        Of each other kind of result, in the order of the ladder, how many objects came.
    """

    nodules: tuple[Verified, ...]
    companions: dict[str, int]


class DemonstrationFailed(RuntimeError):
    """Something did not come back."""


def demonstrate(seed: int, say: Callable[[str], None], store: Path) -> Demonstration:
    """Run the whole way on loopback, to a destination that gets what destinations get by default.

    Parameters
    ----------
    seed : int
        Of the phantom.
    say : callable
        Told what happens.
    store : Path
        Of the node; stays behind.

    Raises
    ------
    DemonstrationFailed
        If an object was not accepted, or a result did not come.
    """
    say("making a chest CT phantom")
    phantom = chest(seed)
    ct = ct_series(phantom.volume, CtSeriesDescription(seed=f"demo {seed}"))
    marks = [DrawnMark(nodule.axes, nodule.kind.value) for nodule in phantom.nodules]
    report = recist_report(marks, ct, f"demo {seed}")
    with (
        tempfile.TemporaryDirectory(prefix="dicomnode-demo-") as scratch,
        StandInPacs(Path(scratch) / "pacs", sop_classes=_SOP_CLASSES) as pacs,
        Node(_settings(store, pacs.port)) as node,
    ):
        say(f"node listens on port {node.port}, stand-in PACS on port {pacs.port}")
        say(f"sending {len(ct)} CT slices")
        _send(ct, node.port, Path(scratch) / "out")
        say(f"sending a report with {len(marks)} RECIST marks")
        _send([report], node.port, Path(scratch) / "out")
        sent_at = time.time()
        kinds = _wait_for_results(node, len(marks))
        say("verifying what came back")
        uids = {kind: [u for u in pacs.arrivals if kinds.get(u) == kind] for kind in LADDER}
        segs = {uid: hd.seg.segread(pacs.path(uid)) for uid in uids.pop(_RECORD)}
        by_mark = {seg.SegmentSequence[0].TrackingID: uid for uid, seg in segs.items()}
        verified = tuple(
            _verify(
                phantom,
                nodule,
                segs[by_mark[nodule.kind.value]],
                [*ct, report],
                pacs.arrivals[by_mark[nodule.kind.value]] - sent_at,
            )
            for nodule in phantom.nodules
        )
        return Demonstration(verified, {kind: len(found) for kind, found in uids.items() if found})


def _wait_for_results(node: Node, lesions: int) -> dict[str, str]:
    """Wait until everything is delivered; kind of each object by its SOP Instance UID."""
    end = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < end:
        with node.database.read() as session:
            made = dict(session.execute(select(Result.sop_instance_uid, Result.kind)).all())
            states = set(session.scalars(select(Delivery.state)))
            summaries = set(session.scalars(select(Summary.state)))
        records = sum(kind == _RECORD for kind in made.values())
        if records == lesions and states == {_ACCEPTED} and summaries == {SummaryState.PUBLISHED}:
            return made
        time.sleep(_POLL_S)
    raise DemonstrationFailed(
        f"{records} of {lesions} lesions have a result, and deliveries are "
        f"{', '.join(sorted(states)) or 'none'}, after {_TIMEOUT_S:g} s"
    )


def _settings(store: Path, pacs_port: int) -> NodeSettings:
    return NodeSettings(
        store={"path": store, "reserve_mb": 0},
        listen={"ae_title": NODE_AE_TITLE, "host": "127.0.0.1", "port": 0},
        publish={"gather_s": 0.5},
        destinations=[
            {
                "name": "pacs",
                "ae_title": StandInPacs.AE_TITLE,
                "host": "127.0.0.1",
                "port": pacs_port,
            }
        ],
        rules=[{"name": "chest CT", "match": {"modality": "CT"}, "destinations": ["pacs"]}],
    )


def _send(datasets: Sequence[Dataset], port: int, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    parcels = []
    for number, dataset in enumerate(datasets):
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        parcels.append(Parcel(number, str(dataset.SOPClassUID), path))
    node = DicomDestination(name="node", ae_title=NODE_AE_TITLE, host="127.0.0.1", port=port)
    for _ in range(_TRIES):  # as a PACS does: sending twice does no harm
        answers = list(send(parcels, node, "DEMO"))
        parcels = [parcel for parcel, answer in answers if answer.verdict is not Verdict.ACCEPTED]
        if not parcels:
            return
    words = next(answer.words for _, answer in answers if answer.verdict is not Verdict.ACCEPTED)
    raise DemonstrationFailed(f"the node did not accept an object: {words}")


def _verify(
    phantom: ChestPhantom,
    nodule: PhantomNodule,
    seg: hd.seg.Segmentation,
    sent: Sequence[Dataset],
    seconds: float,
) -> Verified:
    grid = phantom.volume
    alpha = read_alpha(seg, grid)
    truth = np.zeros(grid.spatial_shape, dtype=np.float32)
    box = tuple(
        slice(o, o + n) for o, n in zip(nodule.offset, nodule.occupancy.spatial_shape, strict=True)
    )
    truth[box] = nodule.occupancy.array
    return Verified(
        kind=nodule.kind.value,
        diameter_mm=nodule.axes.long_mm,
        volume_ml=float(alpha.sum(dtype=np.float64)) * grid.voxel_volume / 1000,
        true_volume_ml=nodule.volume_ml,
        dice=dice(alpha >= 0.5, truth >= 0.5),
        seconds=seconds,
        problems=tuple(_problems(seg, sent)),
        panel=_panel(grid, nodule, alpha, truth),
    )


def _problems(seg: hd.seg.Segmentation, sent: Sequence[Dataset]) -> list[str]:
    """Compare the object with what every result must be."""
    expected: Mapping[str, object] = {
        "SegmentationType": "FRACTIONAL",
        "SegmentationFractionalType": "OCCUPANCY",
        "ContentQualification": "RESEARCH",
        "StudyInstanceUID": sent[0].StudyInstanceUID,
        "FrameOfReferenceUID": sent[0].FrameOfReferenceUID,
        "PatientID": sent[0].PatientID,
    }
    found = [
        f"{keyword} is {seg.get(keyword)}, expected {value}"
        for keyword, value in expected.items()
        if seg.get(keyword) != value
    ]
    known = {image.SOPInstanceUID for image in sent}
    if not {uid for _, _, uid in seg.get_source_image_uids()} <= known:
        found.append("it refers to an object that was not sent")
    return found


def _panel(
    grid: hd.Volume,
    nodule: PhantomNodule,
    alpha: npt.NDArray[np.float32],
    truth: npt.NDArray[np.float32],
) -> Panel:
    key = nodule.key_slice
    rows, columns = np.nonzero((alpha[key] > 0) | (truth[key] > 0))
    top, left = max(rows.min() - _MARGIN, 0), max(columns.min() - _MARGIN, 0)
    crop = np.s_[key, top : rows.max() + _MARGIN, left : columns.max() + _MARGIN]
    axes = [a for a in (nodule.axes.long_axis, nodule.axes.short_axis) if a is not None]
    return Panel(
        title=f"{nodule.kind.value}\n{nodule.axes.long_mm:.0f} mm",
        hu=grid.array[crop],
        alpha=alpha[crop],
        axes=[grid.map_reference_to_indices(a)[:, 1:] - (top, left) for a in axes],
        pixel_spacing=grid.spacing[1:],
        truth=truth[crop],
    )
