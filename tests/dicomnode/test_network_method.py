"""A routing rule names a network as it names a matting method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.offline import process_folder
from dicomnode.routing import Rule
from dicomnode.store.states import LesionState
from tests.dicomnode.studies import save, study
from tests.models.test_loading import unshipped

__all__ = ["unshipped"]


def test_a_marked_ball_becomes_a_seg_by_the_shipped_network(tmp_path):
    made = study("by a network")
    save([*made.ct, made.report], tmp_path / "in")
    volumes = {}
    for method, kind, family in (
        ("recist-net", "PROBABILITY", "Artificial Intelligence"),
        ("occupancy", "OCCUPANCY", "Neighborhood Analysis"),
    ):
        rule = Rule(name="all", method=method)
        outcome = process_folder(tmp_path / "in", tmp_path / method, rule=rule, processes=1)
        (lesion,) = outcome.lesions
        assert lesion.state is LesionState.PUBLISHED
        seg = pydicom.dcmread(Path(lesion.results[0].path))
        assert seg.SegmentationType == "FRACTIONAL"
        assert np.asarray(seg.pixel_array).max() > 0.8 * seg.MaximumFractionalValue
        (about,) = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
        assert about.AlgorithmName == method
        assert about.AlgorithmFamilyCodeSequence[0].CodeMeaning == family
        # A share of readers is no part of a voxel, and called so.
        assert seg.SegmentationFractionalType == kind
        volumes[method] = lesion.volume_ml
    # A ball is not what readers outline; they draw outside of where half of a voxel is lesion.
    assert 0.7 < volumes["recist-net"] / volumes["occupancy"] < 1.6


def test_process_says_at_once_what_a_network_lacks(unshipped, tmp_path):
    def ran(*options):
        return CliRunner().invoke(app, ["process", str(tmp_path), "-o", str(tmp_path), *options])

    absent = ran("--method", "3dmm-mg", "--weights", str(tmp_path))
    assert absent.exit_code == 2
    assert "3dmm-mg has no weights" in absent.stderr
    device = ran("--method", "recist-net", "--device", "gpu")
    assert device.exit_code == 2
    assert "found the device 'gpu'" in device.stderr
