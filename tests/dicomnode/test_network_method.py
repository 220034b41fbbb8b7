"""A routing rule names a network as it names a matting method."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom

from dicomnode.offline import process_folder
from dicomnode.routing import Rule
from dicomnode.store.states import LesionState
from tests.dicomnode.studies import save, study


def test_a_marked_ball_becomes_a_seg_by_the_shipped_network(tmp_path):
    made = study("by a network")
    save([*made.ct, made.report], tmp_path / "in")
    volumes = {}
    for method, kind in (("recist-net", "PROBABILITY"), ("occupancy", "OCCUPANCY")):
        rule = Rule(name="all", method=method)
        outcome = process_folder(tmp_path / "in", tmp_path / method, rule=rule, processes=1)
        (lesion,) = outcome.lesions
        assert lesion.state is LesionState.PUBLISHED
        seg = pydicom.dcmread(Path(lesion.results[0].path))
        assert seg.SegmentationType == "FRACTIONAL"
        assert np.asarray(seg.pixel_array).max() > 0.8 * seg.MaximumFractionalValue
        (about,) = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
        assert about.AlgorithmName == method
        # A share of readers is no part of a voxel, and called so.
        assert seg.SegmentationFractionalType == kind
        volumes[method] = lesion.volume_ml
    # A ball is not what readers outline; they draw outside of where half of a voxel is lesion.
    assert 0.7 < volumes["recist-net"] / volumes["occupancy"] < 1.6
