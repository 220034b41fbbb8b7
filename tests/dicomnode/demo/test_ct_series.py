"""A written CT series is the volume that it was written from, under UIDs that repeat."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series, save_series

DESCRIPTION = CtSeriesDescription("test_ct_series")


def volume(affine=None, array=None) -> hd.Volume:
    if array is None:
        array = np.random.default_rng(1).integers(-1024, 3071, (4, 6, 5)).astype(np.int16)
    if affine is None:
        affine = np.array([[0, 0, 0.8, -50], [0, 0.6, 0, -40], [2.0, 0, 0, 10], [0, 0, 0, 1]])
    return hd.Volume(array, affine, coordinate_system="PATIENT")


@given(
    angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 5)] * 3),
    position=st.tuples(*[st.floats(-400, 400)] * 3),
    descending=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_voxels_and_geometry_survive(angles, spacing, position, descending):
    matrix = Rotation.from_euler("xyz", angles).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = matrix[:, ::-1] * spacing
    affine[:3, 0] *= -1 if descending else 1
    affine[:3, 3] = position
    source = volume(affine)
    found = hd.get_volume_from_series(ct_series(source, DESCRIPTION))
    indices = np.argwhere(np.ones(found.spatial_shape, bool))
    points = indices @ found.affine[:3, :3].T + found.affine[:3, 3]
    places = (points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    nearest = np.rint(places).astype(int)
    assert np.linalg.norm((places - nearest) @ affine[:3, :3].T, axis=1).max() < 0.01
    np.testing.assert_array_equal(found.array.ravel(), source.array[tuple(nearest.T)])


def test_the_same_seed_gives_the_same_instances():
    first, second = (ct_series(volume(), DESCRIPTION) for _ in "12")
    assert [a.to_json() for a in first] == [b.to_json() for b in second]


def test_series_of_one_seed_are_one_study_in_one_space():
    first = ct_series(volume(), DESCRIPTION)[0]
    second = ct_series(volume(), CtSeriesDescription("test_ct_series", series_number=3))[0]
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_another_seed_is_another_study():
    first = ct_series(volume(), DESCRIPTION)[0]
    second = ct_series(volume(), CtSeriesDescription("another"))[0]
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        assert first[keyword].value != second[keyword].value


def test_the_patient_is_obviously_synthetic():
    dataset = ct_series(volume(), DESCRIPTION)[0]
    assert "SYNTHETIC" in str(dataset.PatientName)
    assert dataset.PatientID.startswith("SYNTHETIC")


def test_an_override_touches_its_own_slice_only():
    changes = {1: {"SliceLocation": None, "Rows": 7}}
    changed = ct_series(volume(), DESCRIPTION, changes)
    assert [slice_.Rows for slice_ in changed] == [6, 7, 6, 6]
    assert ["SliceLocation" in slice_ for slice_ in changed] == [True, False, True, True]


def test_saved_files_read_back(tmp_path):
    datasets = ct_series(volume(), DESCRIPTION)
    paths = save_series(datasets, tmp_path / "ct")
    assert len(paths) == 4
    found = pydicom.dcmread(paths[2])
    assert found.SOPInstanceUID == datasets[2].SOPInstanceUID
    np.testing.assert_array_equal(found.pixel_array, volume().array[2])


@pytest.mark.parametrize("value", [40000, -40000])
def test_hu_beyond_int16_are_refused(value):
    with pytest.raises(ValueError, match="expected int16"):
        ct_series(volume(array=np.full((2, 3, 3), value, np.int32)), DESCRIPTION)
