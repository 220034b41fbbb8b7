"""A soft mask comes back from its file as it was, and says what its alpha means."""

import io
import json

import highdicom as hd
import numpy as np
import pytest

from pipelines.soft_mask import SoftMask


@pytest.fixture
def volume():
    rng = np.random.default_rng(8)
    alpha = rng.random((3, 4, 5)).astype(np.float32)
    return hd.Volume(alpha, np.diag([2.0, 0.5, 0.5, 1.0]), coordinate_system="PATIENT")


def soft(volume, **about):
    return SoftMask(volume, volume.with_array(np.ones(volume.shape, np.uint8)), "knn", **about)


@pytest.mark.parametrize("quantity", ["occupancy", "density-weighted"])
def test_saved_and_loaded(volume, quantity):
    file = io.BytesIO()
    made = soft(volume, offset=(1, 2, 3), warnings=("coarse",), quantity=quantity)
    made.save(file)
    file.seek(0)
    found = SoftMask.load(file)
    assert (found.alpha.array == made.alpha.array).all()
    assert (found.alpha.affine == made.alpha.affine).all()
    assert found.quantity == quantity
    assert (found.offset, found.warnings) == ((1, 2, 3), ("coarse",))
    assert found.volume_ml == made.volume_ml


def test_a_file_that_names_no_quantity_holds_occupancy(volume):
    file = io.BytesIO()
    soft(volume).save(file)
    file.seek(0)
    with np.load(file) as archive:
        content = dict(archive)
    about = json.loads(str(content["about"]))
    del about["quantity"]
    content["about"] = np.array(json.dumps(about))
    old = io.BytesIO()
    np.savez_compressed(old, **content)
    old.seek(0)
    assert SoftMask.load(old).quantity == "occupancy"


def test_occupancy_and_share_of_readers_sum_to_a_volume_and_density_does_not(volume):
    expected = float(volume.array.sum(dtype=np.float64)) * 0.5 / 1000
    assert soft(volume).volume_ml == pytest.approx(expected)
    assert soft(volume, quantity="probability").volume_ml == pytest.approx(expected)
    assert soft(volume, quantity="density-weighted").volume_ml is None


def test_an_unknown_quantity_is_refused(volume):
    with pytest.raises(ValueError, match="quantity"):
        soft(volume, quantity="brightness")
