"""Researchers' arrays and NIfTI files land where DICOM has them, or are refused."""

from __future__ import annotations

import struct

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks.arrays import (
    Order,
    Space,
    UnusableCase,
    axes_from_points,
    check_same_grid,
    mask_from_nifti,
    masks_on_grid,
    read_nifti_case,
    volume_from_array,
    volume_from_nifti,
)
from pipelines.lesion import soft_mask_from_masks, soft_mask_from_recist

SHAPE = (5, 6, 7)


def oblique(angles=(20, -10, 35), spacing=(2.5, 0.7, 0.8), origin=(-40.0, 12.5, 300.0)):
    """Affine (slice, row, column) to LPS."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    affine[:3, 3] = origin
    return affine


def voxels(shape=SHAPE) -> np.ndarray:
    return np.random.default_rng(1).integers(-1000, 500, shape).astype(np.int16)


def write_nifti(path, array_ijk, ras) -> None:
    """The least NIfTI-1 there is (nifti1.h), so that no reader's own writer proves the reader."""
    codes = {np.dtype(np.int16): (4, 16), np.dtype(np.uint8): (2, 8)}
    code, bits = codes[array_ijk.dtype]
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *array_ijk.shape, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, code, bits)
    zooms = np.linalg.norm(np.asarray(ras)[:3, :3], axis=0)
    struct.pack_into("<8f", header, 76, 1, *zooms, 0, 0, 0, 0)
    struct.pack_into("<f", header, 108, 352)  # vox_offset
    struct.pack_into("<f", header, 112, 1)  # scl_slope
    header[123] = 2  # mm
    struct.pack_into("<hh", header, 252, 0, 1)  # qform_code, sform_code
    struct.pack_into("<12f", header, 280, *np.asarray(ras)[:3].ravel())
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + bytes(4) + array_ijk.tobytes(order="F"))


def ras_ijk(affine: np.ndarray) -> np.ndarray:
    """NIfTI's affine (i, j, k) to RAS for one of (slice, row, column) to LPS."""
    return np.diag([-1.0, -1, 1, 1]) @ affine[:, [2, 1, 0, 3]]


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(0.3, 8)] * 3),
    st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_both_orders_and_both_spaces_are_one_volume(angles, spacing, origin):
    affine = oblique(angles, spacing, origin)
    array = voxels()
    expected = volume_from_array(array, affine)
    np.testing.assert_array_equal(expected.affine, affine)
    nibabels = volume_from_array(
        array.transpose(2, 1, 0), ras_ijk(affine), order=Order.IJK, space=Space.RAS
    )
    np.testing.assert_array_equal(nibabels.array, array)
    np.testing.assert_allclose(nibabels.affine, affine, atol=1e-9)

    index = np.array([[1.0, 2.5, 0.25], [3.0, 4.0, 6.0]])
    lps = expected.map_indices_to_reference(index)
    for points, space, order in (
        (index, Space.INDEX, Order.KJI),
        (index[:, ::-1], Space.INDEX, Order.IJK),
        (lps, Space.LPS, Order.KJI),
        (lps * [-1, -1, 1], Space.RAS, Order.KJI),
    ):
        axes = axes_from_points(nibabels, points, space=space, order=order)
        np.testing.assert_allclose(axes.long_axis, lps, atol=1e-6)
        assert axes.short_axis is None


def test_a_dicom_series_and_its_array_are_the_same_volume():
    turned = Rotation.from_euler("xyz", (12, -7, 20), degrees=True).as_matrix()
    affine = oblique()
    affine[:3, :3] = turned[:, [2, 1, 0]] * (2.5, 0.7, 0.8)  # slices along about z
    volume = volume_from_array(voxels(), affine)
    series = ct_series(volume, CtSeriesDescription("test_arrays"))
    again = hd.get_volume_from_series(series).match_geometry(volume)  # slices in our order
    check_same_grid(volume, again.spatial_shape, again.affine)
    np.testing.assert_array_equal(again.array, volume.array)


@pytest.mark.parametrize(
    ("array", "affine", "space"),
    [
        (np.zeros((3, 4)), np.eye(4), Space.LPS),
        (np.zeros((0, 3, 4)), np.eye(4), Space.LPS),
        (np.zeros((2, 3, 4), complex), np.eye(4), Space.LPS),
        (np.zeros((2, 3, 4)), np.eye(3), Space.LPS),
        (np.zeros((2, 3, 4)), np.full((4, 4), np.nan), Space.LPS),
        (np.zeros((2, 3, 4)), np.diag([1, 1, 0, 1]), Space.LPS),
        (np.zeros((2, 3, 4)), np.eye(4) + np.eye(4, k=1) * 0.3, Space.LPS),
        (np.zeros((2, 3, 4)), np.eye(4), Space.INDEX),
    ],
)
def test_what_is_no_ct_grid_is_refused(array, affine, space):
    with pytest.raises(UnusableCase):
        volume_from_array(array, affine, space=space)


@pytest.mark.parametrize(
    ("points", "space"),
    [
        ([[0, 0, 0], [0, 0, 7]], Space.INDEX),
        ([[0, 0, 0], [-1, 0, 0]], Space.INDEX),
        ([[1, 1, 1], [1, 1, 1]], Space.INDEX),
        ([[1, 1, 1], [1, np.nan, 1]], Space.INDEX),
        ([[1, 1], [1, 2]], Space.INDEX),
        ([["a", 1, 1], [1, 1, 2]], Space.INDEX),
        ([[0, 0, 0], [1, 0, 0]], Space.LPS),
    ],
)
def test_a_mark_that_is_no_line_in_the_volume_is_refused(points, space):
    with pytest.raises(UnusableCase):
        axes_from_points(volume_from_array(voxels(), oblique()), points, space=space)


def test_masks_of_another_shape_or_kind_are_refused():
    volume = volume_from_array(voxels(), oblique())
    mask = np.zeros(SHAPE, np.uint8)
    mask[2, 3, 4] = 1
    found = masks_on_grid(volume, [mask, mask.astype(bool)])
    assert found.shape == (2, *SHAPE)
    assert np.argwhere(found).tolist() == [[0, 2, 3, 4], [1, 2, 3, 4]]
    turned = masks_on_grid(volume, [mask.transpose(2, 1, 0)], order=Order.IJK)
    np.testing.assert_array_equal(turned[0], found[0])
    assert masks_on_grid(volume, []).shape == (0, *SHAPE)
    with pytest.raises(UnusableCase, match=r"mask 2: found shape \(7, 6, 5\)"):
        masks_on_grid(volume, [mask, mask.transpose(2, 1, 0)])
    with pytest.raises(UnusableCase, match="other than 0 and 1"):
        masks_on_grid(volume, [mask * 2])


@pytest.fixture
def nifti(tmp_path):
    array = voxels()
    write_nifti(tmp_path / "ct.nii", array.transpose(2, 1, 0), ras_ijk(oblique()))
    return tmp_path, array


def test_nifti_lands_where_its_header_says(nifti):
    folder, array = nifti
    volume = volume_from_nifti(folder / "ct.nii")
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, oblique(), atol=1e-4)


def test_nifti_goes_round_trip_through_simpleitk(nifti):
    folder, array = nifti
    affine = oblique()
    image = sitk.GetImageFromArray(array)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing[::-1].tolist())
    image.SetDirection((affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    sitk.WriteImage(image, str(folder / "again.nii.gz"))
    volume = volume_from_nifti(folder / "again.nii.gz")
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-4)


def test_masks_are_read_on_the_grid_of_the_ct_only(nifti):
    folder, _ = nifti
    volume = volume_from_nifti(folder / "ct.nii")
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 2, 3], labels[4, 5, 6] = 1, 3
    write_nifti(folder / "labels.nii", labels.transpose(2, 1, 0), ras_ijk(oblique()))
    np.testing.assert_array_equal(mask_from_nifti(folder / "labels.nii", volume), labels > 0)
    np.testing.assert_array_equal(
        mask_from_nifti(folder / "labels.nii", volume, label=3), labels == 3
    )
    moved = ras_ijk(oblique(origin=(-40.0, 12.5, 300.5)))
    write_nifti(folder / "moved.nii", labels.transpose(2, 1, 0), moved)
    with pytest.raises(UnusableCase, match=r"0\.50 mm"):
        mask_from_nifti(folder / "moved.nii", volume)
    write_nifti(folder / "small.nii", labels[1:].transpose(2, 1, 0), ras_ijk(oblique()))
    with pytest.raises(UnusableCase, match=r"found a grid of \(4, 6, 7\)"):
        mask_from_nifti(folder / "small.nii", volume)


def test_files_that_are_no_images_are_refused(nifti):
    folder, _ = nifti
    (folder / "text.nii").write_text("no image")
    for name in ("text.nii", "missing.nii"):
        with pytest.raises(UnusableCase, match=name):
            volume_from_nifti(folder / name)
    with pytest.raises(UnusableCase, match="without a long axis"):
        read_nifti_case(folder / "ct.nii", short_axis=[[0, 0, 0], [1, 0, 0]])


def test_a_case_from_nifti_goes_through_the_pipelines(tmp_path):
    k, j, i = np.mgrid[:20, :40, :40]
    distance = np.sqrt(((k - 10) * 1.5) ** 2 + ((j - 20) * 0.8) ** 2 + ((i - 18) * 0.8) ** 2)
    hu = np.rint(-850 + 890 * np.clip(7.5 - distance, 0, 1)).astype(np.int16)
    ras = ras_ijk(oblique((0, 0, 0), (0.8, 0.8, 1.5))[:, [2, 1, 0, 3]])
    write_nifti(tmp_path / "ct.nii", hu.transpose(2, 1, 0), ras)
    mask = (distance < 7).astype(np.uint8)
    write_nifti(tmp_path / "mask.nii", mask.transpose(2, 1, 0), ras)
    reach = 7 / 0.8
    case = read_nifti_case(
        tmp_path / "ct.nii",
        [tmp_path / "mask.nii"],
        long_axis=[[18 - reach, 20, 10], [18 + reach, 20, 10]],
        short_axis=[[18, 20 - reach, 10], [18, 20 + reach, 10]],
        space=Space.INDEX,
    )
    assert case.axes.long_mm == pytest.approx(14, abs=1e-4)
    expected = 4 / 3 * np.pi * 0.7**3
    for soft in (
        soft_mask_from_recist(case.volume, case.axes),
        soft_mask_from_masks(case.volume, case.masks),
    ):
        ml = soft.alpha.array.sum() * np.prod(case.volume.spacing) / 1000
        assert ml == pytest.approx(expected, rel=0.15)
