"""Phantoms know their truth, and look like a chest where it matters."""

import numpy as np
import pytest

from pipelines.phantom import NoduleKind, chest, nodule_patch
from pipelines.phantom.scanner import occupancy


def test_occupancy_keeps_the_volume_exactly():
    inside = np.random.default_rng(0).random((9, 9, 9)) < 0.5
    coarse = occupancy(inside, 0.4, (2.13, 1.71, 1.9), (6, 9, 12), (1.7, 0.9, 0.65))
    assert coarse.sum() * 1.7 * 0.9 * 0.65 == pytest.approx(inside.sum() * 0.4**3, rel=1e-5)
    assert coarse.max() <= 1


@pytest.mark.parametrize("kind", NoduleKind)
def test_patches_agree_with_their_truth(kind):
    patch = nodule_patch(kind, 12, seed=5)
    ml = float(patch.occupancy.array.sum()) * patch.occupancy.voxel_volume / 1000
    assert ml == pytest.approx(patch.volume_ml, rel=1e-4)
    assert 8 < patch.axes.long_mm < 30
    assert patch.axes.short_mm <= patch.axes.long_mm


@pytest.fixture(scope="module")
def phantom():
    return chest(seed=3, spacing=(2.5, 1.4, 1.4))


def test_a_chest_holds_one_nodule_of_each_kind(phantom):
    assert [n.kind for n in phantom.nodules] == list(NoduleKind)
    assert phantom.volume.array.dtype == np.int16
    for nodule in phantom.nodules:
        truth = nodule.occupancy
        assert truth.array.sum() * truth.voxel_volume / 1000 == pytest.approx(
            nodule.volume_ml, rel=1e-3
        )
        corner = phantom.volume.map_indices_to_reference(np.array([nodule.offset], float))
        assert np.allclose(corner, truth.map_indices_to_reference(np.zeros((1, 3))))
        index = phantom.volume.map_reference_to_indices(nodule.axes.long_axis)
        assert np.allclose(index[:, 0], nodule.key_slice)


def test_nodules_have_their_density(phantom):
    for nodule in phantom.nodules:
        box = tuple(
            slice(o, o + n)
            for o, n in zip(nodule.offset, nodule.occupancy.spatial_shape, strict=True)
        )
        inside = phantom.volume.array[box][nodule.occupancy.array > 0.99]
        hazy = nodule.kind in (NoduleKind.GROUND_GLASS, NoduleKind.PART_SOLID)
        assert (-750 < np.median(inside) < -400) if hazy else (-150 < np.median(inside) < 100)


def test_a_chest_has_lungs_tissue_bone_and_air_around(phantom):
    hu = phantom.volume.array
    share = {
        "air": (hu < -950).mean(),
        "lung": ((hu > -950) & (hu < -750)).mean(),
        "tissue": ((hu > -20) & (hu < 120)).mean(),
        "bone": (hu > 200).mean(),
    }
    assert share["air"] > 0.1
    assert share["lung"] > 0.15
    assert share["tissue"] > 0.1
    assert 0.005 < share["bone"] < 0.1


def test_the_same_seed_gives_the_same_voxels():
    one, two, other = (
        chest(seed, spacing=(5, 3, 3), kinds=(NoduleKind.SOLID,)).volume.array for seed in (1, 1, 2)
    )
    assert (one == two).all()
    assert (one != other).any()


def test_a_volume_without_room_is_refused():
    with pytest.raises(ValueError, match="room"):
        chest(size_mm=(20.0, 256.0, 344.0), spacing=(2.5, 2.0, 2.0))
