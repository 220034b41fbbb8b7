"""The node routes one study to each network by rule, and Orthanc gets each SEG.

Networks of which the package ships no weights get random ones in the site's folder, with a last
layer that calls much lesion: what is tested is the way, not the network.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import torch
from pydicom.dataset import Dataset
from safetensors.torch import save_file

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.results import derive_uid
from dicomnode.results.read_alpha import read_alpha
from models import REGISTRY, weights_digest
from models.loading import meaning_of, weights_about
from pipelines.recist import RecistAxes
from tests.dicomnode.studies import save
from tests.interop.peers import need
from tests.interop.test_dciodvfy import errors

pytestmark = pytest.mark.interop

PATIENCE_S = 500.0
NETWORKS = (
    "recist-net",
    "3dmm-mg",
    "region-aware",
    "monai-unet",
    "medical-matting",
    "dsnet",
    "3dmm-m",
    "3dmm",
)
"""Slow ones last; each waits for its own SEG alone."""

CUBE = "64,64,64"
"""3DMM's 96 voxels a side take three times as long."""

SAID = {
    "3dmm": {"size": CUBE},
    "3dmm-m": {"size": CUBE, "guidance": "false"},
    "3dmm-mg": {"size": CUBE, "meaning": "PROBABILITY"},
    "dsnet": {"join": "early"},
    "medical-matting": {"meaning": "PROBABILITY"},
    "monai-unet": {"widths": "16,32,64,96,128"},
}
"""What weights files that are written here say of themselves."""


@dataclass(frozen=True, eq=False)
class Sent:
    """A study with one ball of 9 mm on slices of 4 mm."""

    volume: hd.Volume
    ct: list[Dataset]
    report: Dataset


def study(name: str) -> Sent:
    spacing, shape, centre = (4.0, 0.8, 0.8), (11, 72, 72), (5.0, 36.0, 36.0)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    distance = np.linalg.norm((grid - centre) * spacing, axis=-1)
    hu = -860 + 900 * np.clip((4.5 - distance) / 0.8 + 0.5, 0, 1)
    hu += np.random.default_rng(0).normal(0, 15, shape)
    affine = np.array([[0, 0, 0.8, -25.0], [0, 0.8, 0, -30], [4.0, 0, 0, 100], [0, 0, 0, 1]])
    volume = hd.Volume(
        np.rint(hu).astype(np.int16),
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=derive_uid("test networks", name),
    )
    about = CtSeriesDescription(seed=name, study_description=f"for {name}")
    ct = ct_series(volume, about)
    middle = volume.map_indices_to_reference(np.array([centre]))[0]
    across, down = np.eye(3)[:2] * 4.5
    axes = RecistAxes(
        np.array([middle - across, middle + across]), np.array([middle - down, middle + down])
    )
    return Sent(volume, ct, recist_report([DrawnMark(axes, "lesion")], ct, name))


def write_weights(name: str, folder: Path) -> None:
    """Random weights with a last convolution that hardly looks and calls everything lesion."""
    about = SAID.get(name, {})
    torch.manual_seed(0)
    network = REGISTRY[name].make(about)
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Conv3d)]
    last = {"dsnet": lambda: network.backbone.head}.get(name, lambda: last[-1])()
    with torch.no_grad():
        last.weight.mul_(0.01)
        # Of two channels, background and lesion, or of one logit.
        last.bias.copy_(torch.linspace(-2, 2, 2) if len(last.bias) == 2 else torch.tensor([3.0]))
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
    }
    save_file(state, folder / f"{name}.safetensors", metadata={"network": name, **about})


@dataclass(frozen=True, eq=False)
class Running:
    """The node beside Orthanc, to which all studies were sent."""

    pacs: Orthanc
    node: NodeProcess
    weights: Path
    studies: dict[str, Sent]

    def seg(self, name: str, folder: Path) -> hd.seg.Segmentation:
        """The SEG in a network's study, as Orthanc gives it out."""
        query = {"Modality": "SEG", "StudyInstanceUID": self.studies[name].ct[0].StudyInstanceUID}
        end = time.monotonic() + PATIENCE_S
        while not (found := self.pacs.ask("/tools/find", {"Level": "Instance", "Query": query})):
            assert time.monotonic() < end, f"no SEG came; the node says {self.node.log}"
            time.sleep(0.2)
        (orthanc_id,) = found
        return hd.seg.segread(self.pacs.save(orthanc_id, folder))


def here(name: str) -> bool:
    return all(find_spec(package) is not None for package in REGISTRY[name].packages)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    need("Orthanc")
    need("storescu")
    work = tmp_path_factory.mktemp("networks")
    weights = work / "weights"
    weights.mkdir()
    names = [name for name in NETWORKS if here(name)]
    for name in names:
        if not REGISTRY[name].weights.is_file():
            write_weights(name, weights)
    studies = {name: study(name) for name in names}
    rules = [
        {"name": name, "method": name, "match.study_description": f"for {name}"} for name in names
    ]
    with (
        Orthanc(work / "orthanc") as pacs,
        NodeProcess(
            work / "node",
            pacs.AE_TITLE,
            pacs.dicom_port,
            rules=rules,
            networks={"weights": str(weights), "device": "cpu"},
            segment={"processes": 1},
            collect={"quiet_period_s": 1.0},
        ) as node,
    ):
        for name, sent in studies.items():
            save([*sent.ct, sent.report], work / "out" / name)
            storescu(node.port, node.AE_TITLE, [work / "out" / name])
        yield Running(pacs, node, weights, studies)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_rule_sends_a_study_through_its_network_to_orthanc(running, name, tmp_path):
    if not here(name):
        pytest.skip(f"{name} needs {', '.join(REGISTRY[name].packages)}")
    sent = running.studies[name]
    seg = running.seg(name, tmp_path)
    assert errors(seg, tmp_path) == []
    assert seg.SegmentationType == "FRACTIONAL"
    meaning = meaning_of(name, weights_about(name, running.weights))
    assert seg.SegmentationFractionalType == meaning
    (about,) = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert about.AlgorithmName == name
    assert f"weights={weights_digest(name, running.weights)}" in about.AlgorithmParameters
    assert name in seg.SeriesDescription
    alpha = read_alpha(seg, sent.volume)
    assert alpha[5, 36, 36] > 0.5
    # It stays within what the lesion may reach: 1.5 times the mark and 4 mm.
    assert alpha[:, :, : 36 - 14].max() == 0
