"""RECIST mark to soft mask: right on phantoms, in any orientation, and clear when it cannot be."""

import json

import highdicom as hd
import numpy as np
import pydicom
import pytest

from pipelines.errors import (
    EmptyMaskError,
    TrimapError,
    UnknownParameterError,
    UnusableMarkError,
    UnusableVolumeError,
)
from pipelines.lesion import soft_mask_from_masks, soft_mask_from_recist
from pipelines.longest_axes import axes_from_mask
from pipelines.matting import METHODS
from pipelines.matting.closed_form import closed_form
from pipelines.metrics import dice, sad, volume_error
from pipelines.parameters import DEFAULT_METHOD, DEFAULT_PARAMETERS
from pipelines.phantom import NoduleKind, nodule_patch, simulated_readers
from pipelines.reach import reach_mm
from pipelines.recist import RecistAxes
from tests.real_data import real


def whole(soft, volume):
    """Alpha on the whole volume."""
    alpha = np.zeros(volume.spatial_shape, np.float32)
    shape = soft.alpha.spatial_shape
    alpha[tuple(slice(o, o + n) for o, n in zip(soft.offset, shape, strict=True))] = (
        soft.alpha.array
    )
    return alpha


@pytest.fixture(scope="module")
def solid():
    return nodule_patch(NoduleKind.SOLID, 12, seed=4)


@pytest.mark.parametrize("kind", NoduleKind)
@pytest.mark.parametrize("thickness", [1.25, 2.5])
def test_phantoms_of_every_kind(kind, thickness):
    patch = nodule_patch(kind, 16, (thickness, 0.7, 0.7), seed=7)
    alpha = whole(soft_mask_from_recist(patch.volume, patch.axes), patch.volume)
    truth = patch.occupancy.array
    # On a wall of its own density the mark alone says where the lesion ends.
    least, most = (0.85, 0.3) if kind is NoduleKind.JUXTA_PLEURAL else (0.95, 0.1)
    assert dice(alpha >= 0.5, truth >= 0.5) > least
    assert abs(volume_error(alpha, truth)) < most


def test_same_input_same_bytes(solid):
    one = soft_mask_from_recist(solid.volume, solid.axes)
    two = soft_mask_from_recist(solid.volume, solid.axes)
    assert one.alpha.array.tobytes() == two.alpha.array.tobytes()
    assert one.trimap.array.tobytes() == two.trimap.array.tobytes()
    assert (one.offset, one.warnings, one.parameters) == (two.offset, two.warnings, two.parameters)


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2)])
def test_order_and_direction_of_slices_do_not_matter(solid, axes):
    alpha = whole(soft_mask_from_recist(solid.volume, solid.axes), solid.volume)
    flipped = solid.volume.flip_spatial(axes)
    other = whole(soft_mask_from_recist(flipped, solid.axes), flipped)
    assert np.abs(np.flip(other, axes) - alpha).max() < 0.02


def test_oblique_grids_give_the_same_lesion(solid):
    angle = 0.5
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = (40, -70, 900)
    tilted = hd.Volume(solid.volume.array, turn @ solid.volume.affine, coordinate_system="PATIENT")

    def move(points):
        return points @ turn[:3, :3].T + turn[:3, 3]

    axes = RecistAxes(move(solid.axes.long_axis), move(solid.axes.short_axis))
    alpha = whole(soft_mask_from_recist(solid.volume, solid.axes), solid.volume)
    other = whole(soft_mask_from_recist(tilted, axes), tilted)
    assert np.abs(other - alpha).max() < 0.02


def test_pixels_need_not_be_square():
    patch = nodule_patch(NoduleKind.SOLID, 14, (2.0, 0.6, 1.1), seed=3)
    alpha = whole(soft_mask_from_recist(patch.volume, patch.axes), patch.volume)
    assert dice(alpha >= 0.5, patch.occupancy.array >= 0.5) > 0.9


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_slices_work_and_are_said(solid, count):
    index = solid.volume.map_reference_to_indices(solid.axes.centre[None])[0]
    first = round(float(index[0]))
    short = solid.volume[first : first + count]
    soft = soft_mask_from_recist(short, solid.axes)
    truth = solid.occupancy.array[first : first + count]
    assert dice(whole(soft, short) >= 0.5, truth >= 0.5) > 0.85
    assert any("the CT ends" in warning for warning in soft.warnings)
    assert not any("than the mark suggests" in warning for warning in soft.warnings)


def test_one_axis_and_integers_are_enough(solid):
    assert solid.volume.array.dtype == np.int16
    soft = soft_mask_from_recist(solid.volume, RecistAxes(solid.axes.long_axis))
    alpha = whole(soft, solid.volume)
    assert dice(alpha >= 0.5, solid.occupancy.array >= 0.5) > 0.85


def test_crop_stays_within_the_stated_reach(solid):
    soft = soft_mask_from_recist(solid.volume, solid.axes)
    shape = np.array(soft.alpha.spatial_shape)
    corners = np.array([soft.offset, soft.offset + shape - 1])
    centre = solid.volume.map_reference_to_indices(solid.axes.centre[None])[0]
    assert (np.abs(corners - centre) * solid.volume.spacing <= reach_mm(solid.axes) + 1e-6).all()
    far = solid.volume.array.copy()
    outside = np.ones(far.shape, bool)
    outside[tuple(slice(a, b + 1) for a, b in zip(*corners, strict=True))] = False
    far[outside] = 3000
    again = soft_mask_from_recist(solid.volume.with_array(far), solid.axes)
    assert (again.alpha.array == soft.alpha.array).all()


def test_nothing_leaks_into_a_wall_of_the_same_density():
    volume = hd.Volume(
        np.random.default_rng(0).normal(40, 15, (20, 80, 80)).astype(np.float32),
        np.diag([0.0, 0, 0, 1]) + np.array([[0, 0, 0.8, 0], [0, 0.8, 0, 0], [2, 0, 0, 0], [0] * 4]),
        coordinate_system="PATIENT",
    )
    axes = RecistAxes([[22, 32, 20], [42, 32, 20]], [[32, 24, 20], [32, 40, 20]])
    soft = soft_mask_from_recist(volume, axes)
    ellipsoid_ml = 4 / 3 * np.pi * 10 * 8 * 9 / 1000
    assert 0.5 * ellipsoid_ml < soft.volume_ml < 1.5 * ellipsoid_ml
    assert any("hardly denser" in warning for warning in soft.warnings)


def test_padding_is_air(solid):
    padded = solid.volume.array.copy()
    padded[:, :4] = -3024
    soft = soft_mask_from_recist(solid.volume.with_array(padded), solid.axes)
    assert dice(whole(soft, solid.volume) >= 0.5, solid.occupancy.array >= 0.5) > 0.9


def test_empty_lung_gives_a_warning_not_a_crash():
    noise = np.random.default_rng(1).normal(-860, 20, (15, 60, 60)).astype(np.int16)
    patch = nodule_patch(NoduleKind.SOLID, 10, (2, 1, 1))
    affine = patch.volume.affine
    axes = RecistAxes([[25, 30, 14], [35, 30, 14]], [[30, 26, 14], [30, 34, 14]])
    soft = soft_mask_from_recist(hd.Volume(noise, affine, coordinate_system="PATIENT"), axes)
    assert any("hardly denser" in warning for warning in soft.warnings)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_can_be_chosen(solid, method):
    soft = soft_mask_from_recist(solid.volume, solid.axes, method=method)
    assert soft.method == method
    alpha = whole(soft, solid.volume)
    assert dice(alpha >= 0.5, solid.occupancy.array >= 0.5) > 0.9


def test_closed_form_has_the_parameters_of_its_paper(solid):
    soft = soft_mask_from_recist(solid.volume, solid.axes, method="closed-form")
    box = tuple(slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True))
    plain = closed_form(
        solid.volume.array[box], soft.trimap.array, tuple(solid.volume.spacing), epsilon=1e-7
    )
    assert np.abs(plain - soft.alpha.array).max() < 1e-4


@pytest.mark.parametrize("kind", NoduleKind)
def test_occupancy_is_unbiased_and_closer_than_closed_form(kind):
    patch = nodule_patch(kind, 15, seed=21)
    truth = patch.occupancy.array
    masks = simulated_readers(truth, tuple(patch.volume.spacing), np.random.default_rng(5))
    default, plain = (
        whole(soft_mask_from_masks(patch.volume, masks, method=m), patch.volume)
        for m in (DEFAULT_METHOD, "closed-form")
    )
    # Least is gained where a haze is thin, and its level hardly seen above the noise.
    most = 0.95 if kind in (NoduleKind.PART_SOLID, NoduleKind.GROUND_GLASS) else 0.75
    assert sad(default, truth) < most * sad(plain, truth)
    assert abs(volume_error(default, truth)) < 0.06


def test_readers_who_marked_nothing_do_not_vote(solid):
    one = solid.occupancy.array >= 0.5
    masks = np.stack([one, np.zeros_like(one)])
    several = soft_mask_from_masks(solid.volume, masks)
    alone = soft_mask_from_masks(solid.volume, one)
    assert (several.alpha.array == alone.alpha.array).all()
    assert several.offset == alone.offset


def test_masks_that_cannot_be_used_are_refused(solid):
    mask = solid.occupancy.array >= 0.5
    with pytest.raises(EmptyMaskError):
        soft_mask_from_masks(solid.volume, np.zeros_like(mask))
    with pytest.raises(UnusableVolumeError, match="shape"):
        soft_mask_from_masks(solid.volume, mask[1:])
    with pytest.raises(TrimapError):
        soft_mask_from_masks(solid.volume, np.ones_like(mask))


def test_parameters_are_json_and_checked(solid):
    json.dumps(dict(DEFAULT_PARAMETERS))
    soft = soft_mask_from_recist(solid.volume, solid.axes, parameters={"rounds": 1})
    assert soft.parameters["rounds"] == 1
    assert "psf_mm" in soft.parameters
    assert "epsilon" not in soft.parameters
    for wrong in (
        {"density_below": "cubic"},
        {"density_below": "one"},
        {"density_below": 1},
        {"density_low": 500},
        {"density_above": "linear", "density_zero_at": 100},
    ):
        with pytest.raises(UnknownParameterError, match="density"):
            soft_mask_from_recist(solid.volume, solid.axes, parameters=wrong)
    for wrong in ({"colour": 1}, {"rounds": 0}, {"rounds": 1.5}, {"epsilon": -1}):
        with pytest.raises(UnknownParameterError):
            soft_mask_from_recist(solid.volume, solid.axes, parameters=wrong)
    for wrong in ({"band_inner_mm": "1"}, {"rounds": True}, {"band_outer_mm": float("nan")}):
        with pytest.raises(UnknownParameterError):
            soft_mask_from_recist(solid.volume, solid.axes, parameters=wrong)
    with pytest.raises(ValueError, match=r"known are: .*smoothness_mm"):
        soft_mask_from_recist(solid.volume, solid.axes, parameters={"colour": 1})
    with pytest.raises(UnknownParameterError, match="closed-form"):
        soft_mask_from_recist(solid.volume, solid.axes, method="magic")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_can_be_named(solid, method):
    soft = soft_mask_from_recist(solid.volume, solid.axes, method=method)
    truth = solid.occupancy.array
    assert dice(whole(soft, solid.volume) >= 0.5, truth >= 0.5) > 0.85
    assert soft.quantity == ("density-weighted" if method.endswith("+") else "occupancy")
    assert soft.method == method


def test_a_density_is_not_judged_as_an_extent():
    patch = nodule_patch(NoduleKind.GROUND_GLASS, 14, seed=1)
    plain = soft_mask_from_recist(patch.volume, patch.axes, method="closed-form")
    density = soft_mask_from_recist(patch.volume, patch.axes, method="closed-form+")
    assert density.alpha.array.sum() < 0.8 * plain.alpha.array.sum()
    assert density.warnings == plain.warnings


def test_numbers_out_of_reason_are_refused(solid):
    for wrong in ({"psf_mm": 1e9}, {"smoothness_mm": 1e6}, {"smoothing": 1e6}):
        with pytest.raises(UnknownParameterError, match="at most"):
            soft_mask_from_recist(solid.volume, solid.axes, parameters=wrong)
    soft_mask_from_recist(solid.volume, solid.axes, parameters={"density_high": 500})


def test_the_papers_grabcut_can_be_chosen(solid):
    pytest.importorskip("cv2")
    parameters = {"grabcut": "opencv-2d"}
    soft = soft_mask_from_recist(solid.volume, solid.axes, parameters=parameters)
    native = soft_mask_from_recist(solid.volume, solid.axes)
    assert dice(whole(soft, solid.volume) >= 0.5, solid.occupancy.array >= 0.5) > 0.85
    assert (soft.trimap.array != native.trimap.array).any()
    assert soft.parameters["grabcut"] == "opencv-2d"
    with pytest.raises(UnknownParameterError, match=r"grabcut: .*native-3d"):
        soft_mask_from_recist(solid.volume, solid.axes, parameters={"grabcut": "magic"})


def test_the_density_of_a_variant_is_set_by_parameters(solid):
    options = {"method": "closed-form+"}
    linear = soft_mask_from_recist(solid.volume, solid.axes, **options)
    assert linear.volume_ml is None
    chosen = {"density_low": -800, "density_high": 0, "density_below": "square"}
    other = soft_mask_from_recist(solid.volume, solid.axes, parameters=chosen, **options)
    known = linear.trimap.array == 2
    box = tuple(slice(o, o + n) for o, n in zip(other.offset, known.shape, strict=True))
    hu = solid.volume.array[box].astype(float)
    expected = np.clip((hu + 800) / 800, 0, 1) ** 2
    assert np.abs(other.alpha.array - expected)[known].max() < 1e-6
    falling = {"density_above": "linear", "density_pure_up_to": 160, "density_zero_at": 161}
    third = soft_mask_from_recist(solid.volume, solid.axes, parameters=chosen | falling, **options)
    assert (third.alpha.array <= other.alpha.array + 1e-6).all()


def test_an_answer_that_is_not_exact_is_said(solid, monkeypatch):
    def hasty(*arguments, **options):
        return closed_form(*arguments, **options, max_iterations=1)

    monkeypatch.setitem(METHODS, "closed-form", hasty)
    soft = soft_mask_from_recist(solid.volume, solid.axes, method="closed-form")
    assert any("less exact" in warning for warning in soft.warnings)


def test_marks_and_volumes_that_cannot_be_used_are_refused(solid):
    away = RecistAxes(solid.axes.long_axis + 500)
    with pytest.raises(UnusableMarkError, match="outside"):
        soft_mask_from_recist(solid.volume, away)
    centre = solid.axes.centre
    with pytest.raises(UnusableMarkError, match="400 mm"):
        soft_mask_from_recist(solid.volume, RecistAxes(np.add(centre, [[-300, 0, 0], [300, 0, 0]])))
    with pytest.raises(UnusableVolumeError, match="finite"):
        soft_mask_from_recist(
            solid.volume.with_array(np.full(solid.volume.shape, np.nan)), solid.axes
        )
    with pytest.raises(UnusableVolumeError, match="type"):
        soft_mask_from_recist(solid.volume.with_array(solid.volume.array > 0), solid.axes)


@pytest.mark.real_data
def test_a_mass_on_the_chest_wall():
    """A 359 ml mass beside wall and heart: better than the bare ellipsoid of its mark (0.71)."""
    folder = real("ibsi_ct/ct")
    volume = hd.get_volume_from_series([pydicom.dcmread(p) for p in folder.glob("*.dcm")])
    mask = _nifti_mask(real("ibsi_ct/nifti_mask/mask.nii.gz"), volume)
    assert mask.sum() * volume.voxel_volume / 1000 == pytest.approx(358.7, abs=0.1)
    soft = soft_mask_from_recist(volume, axes_from_mask(mask, volume))
    assert dice(whole(soft, volume) >= 0.5, mask) >= 0.72


def _nifti_mask(path, volume):
    """A NIfTI-1 mask on the grid of a volume."""
    import gzip
    import struct

    content = gzip.decompress(path.read_bytes())
    size = struct.unpack("<8h", content[40:56])[1:4]
    kind = {2: np.uint8, 4: np.int16, 8: np.int32, 16: np.float32, 64: np.float64, 512: np.uint16}[
        struct.unpack("<h", content[70:72])[0]
    ]
    start = int(struct.unpack("<f", content[108:112])[0])
    rows = np.array(struct.unpack("<12f", content[280:328])).reshape(3, 4)
    array = np.frombuffer(content, kind, np.prod(size), start).reshape(size[::-1])
    points = np.argwhere(array)[:, ::-1] @ rows[:, :3].T + rows[:, 3]
    index = np.rint(volume.map_reference_to_indices(points * (-1, -1, 1))).astype(int)
    mask = np.zeros(volume.spatial_shape, bool)
    mask[tuple(index.T)] = True
    return mask


@pytest.mark.parametrize("length", [0.5, 3.0])
def test_a_mark_smaller_than_a_voxel_or_between_slices_still_answers(length):
    patch = nodule_patch(NoduleKind.SOLID, 14, (8, 1, 1), seed=2)
    centre = np.add(patch.axes.centre, (0, 0, 4))
    half = np.array([length / 2, 0, 0])
    soft = soft_mask_from_recist(patch.volume, RecistAxes([centre - half, centre + half]))
    assert soft.alpha.array.max() > 0
    assert soft.warnings


def test_a_lesion_too_small_to_have_a_sure_voxel_is_said(solid):
    said = "no voxel that is surely wholly lesion"
    hazy = nodule_patch(NoduleKind.GROUND_GLASS, 4, (2.5, 0.7, 0.7), seed=1)
    soft = soft_mask_from_recist(hazy.volume, hazy.axes)
    assert any(said in warning for warning in soft.warnings)
    masks = hazy.occupancy.array >= 0.5
    for given in (masks, np.stack([masks, np.roll(masks, 1, 2)])):
        soft = soft_mask_from_masks(hazy.volume, given)
        assert any(said in warning for warning in soft.warnings)
    soft = soft_mask_from_recist(solid.volume, solid.axes)
    assert not any(said in warning for warning in soft.warnings)
