"""The papers' way: right on an easy lesion, refused in words where OpenCV is missing."""

import sys

import numpy as np
import pytest

from pipelines.errors import SegmentationError
from pipelines.grabcut import RecistEllipsoid
from pipelines.grabcut.opencv_2d import grabcut_opencv_2d
from pipelines.metrics import dice
from pipelines.phantom import NoduleKind, nodule_patch


@pytest.fixture(scope="module")
def solid():
    return nodule_patch(NoduleKind.SOLID, 14, seed=4)


def run(patch, **options):
    ellipsoid = RecistEllipsoid.from_axes(patch.axes, patch.volume)
    image = patch.volume.array.astype(np.float32)
    return grabcut_opencv_2d(image, tuple(map(float, patch.volume.spacing)), ellipsoid, **options)


def test_a_solid_nodule_in_3d(solid):
    pytest.importorskip("cv2")
    truth = solid.occupancy.array >= 0.5
    cut = run(solid)
    assert dice(cut.mask, truth) > 0.85
    assert cut.found
    assert (cut.probability == cut.mask).all()


def test_the_marked_slice_alone(solid):
    pytest.importorskip("cv2")
    truth = solid.occupancy.array >= 0.5
    key = int(truth.sum(axis=(1, 2)).argmax())
    mask = run(solid, key_slice_only=True).mask
    assert mask.any(axis=(1, 2)).nonzero()[0].tolist() == [key]
    assert dice(mask[key], truth[key]) > 0.9


def test_the_same_input_gives_the_same_mask(solid):
    pytest.importorskip("cv2")
    assert (run(solid).mask == run(solid).mask).all()


def test_without_opencv_it_says_what_to_install(solid, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(SegmentationError, match=r"softmask-node\[papers\]"):
        run(solid)
