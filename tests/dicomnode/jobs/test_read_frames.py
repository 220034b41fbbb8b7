"""Frames of enhanced CT become the HU that their slices are, in every syntax, each by its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.frames import FrameFile, read_headers
from dicomnode.jobs.read_volume import (
    UndecodableSliceError,
    UnscaledFrameError,
    nearest_slice,
    read_volume,
)
from pipelines.recist import RecistAxes
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of
from tests.dicomnode.jobs.test_read_volume import ENCODERS, store, volume


def written(dataset: pydicom.Dataset, folder: Path) -> Path:
    path = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(("bits", "signed"), [(12, False), (12, True), (16, True)])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_syntax_gives_the_same_hu(tmp_path, encoder, bits, signed):
    made = volume(shape=(5, 24, 20))
    hu = np.asarray(made.array).astype(np.int64)
    intercept = 0 if bits == 16 else -1024 if not signed else 500
    frames = frames_of(ct_series(made, CtSeriesDescription(seed="syntax")), intercept=intercept)
    image = enhanced_ct(frames)
    store(image, hu - intercept, bits, signed)
    syntax, encode = ENCODERS[encoder]
    path = tmp_path / "encoded.dcm"
    encode(written(image, tmp_path), path)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    read, warnings = read_volume([FrameFile(path, number) for number in (2, 3, 4)], 1)
    assert read.array.dtype == np.float32
    np.testing.assert_array_equal(read.array, hu[1:4])
    np.testing.assert_allclose(read.affine, made[1:4].affine, atol=1e-6)
    assert warnings == ()


def test_each_frame_is_rescaled_by_its_own(tmp_path):
    made = volume(shape=(4, 24, 20))
    scales = [(1.0, 0.0), (0.5, -1000.25), (2.0, -2.0), (1.0, -1024.0)]
    frames = [
        replace(frame, slope=slope, intercept=intercept)
        for frame, (slope, intercept) in zip(
            frames_of(ct_series(made, CtSeriesDescription(seed="scales"))), scales, strict=True
        )
    ]
    path = written(enhanced_ct(frames), tmp_path)
    read, _ = read_volume([FrameFile(path, number) for number in (1, 2, 3, 4)], 0)
    theirs = hd.imread(path).get_frames(apply_modality_transform=True)
    np.testing.assert_allclose(read.array, theirs, atol=1e-3)
    assert np.abs(read.array - made.array).max() <= 1.0  # a slope of 2 keeps even numbers


def test_the_volume_lies_where_highdicom_sees_it(tmp_path):
    angle = np.radians(25)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    made = volume(shape=(6, 24, 20), rotation=turn)
    path = written(
        enhanced_ct(frames_of(ct_series(made, CtSeriesDescription(seed="turned")))), tmp_path
    )
    read, _ = read_volume([FrameFile(path, number) for number in range(1, 7)], 2)
    theirs = hd.imread(path).get_volume(dtype=np.float32)
    ours = read.match_geometry(theirs, tol=1e-3)
    np.testing.assert_array_equal(ours.array, theirs.array)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
    assert read.frame_of_reference_uid == theirs.frame_of_reference_uid


def test_frames_of_two_objects_are_one_volume(tmp_path):
    made = volume(shape=(6, 24, 20))
    frames = frames_of(ct_series(made, CtSeriesDescription(seed="parts")))
    first = written(enhanced_ct(frames[:3], part=(1, 2)), tmp_path)
    second = written(enhanced_ct(frames[3:], part=(2, 2)), tmp_path)
    slices = [FrameFile(first, 2), FrameFile(first, 3), FrameFile(second, 1), FrameFile(second, 2)]
    read, _ = read_volume(slices, 0)
    np.testing.assert_array_equal(read.array, made.array[1:5])


def test_the_key_is_the_frame_that_the_axes_lie_on(tmp_path):
    made = volume(shape=(6, 24, 20))
    path = written(
        enhanced_ct(frames_of(ct_series(made, CtSeriesDescription(seed="key")))), tmp_path
    )
    slices = [FrameFile(path, number) for number in range(1, 7)]
    ends = made.map_indices_to_reference(np.array([[4.0, 3, 3], [4.0, 9, 9]]))
    assert nearest_slice(read_headers(slices), RecistAxes(ends, None)) == 4
    by_axes, _ = read_volume(slices, RecistAxes(ends, None))
    by_place, _ = read_volume(slices, 4)
    np.testing.assert_array_equal(by_axes.affine, by_place.affine)


def test_a_frame_without_rescaling_is_refused_by_its_number(tmp_path):
    made = volume()
    frames = frames_of(ct_series(made, CtSeriesDescription(seed="bare")))
    frames[1] = replace(frames[1], slope=None)
    path = written(enhanced_ct(frames), tmp_path)
    with pytest.raises(UnscaledFrameError, match="frame 2 of the image"):
        read_volume([FrameFile(path, 1), FrameFile(path, 2)], 0)
    read_volume([FrameFile(path, 1), FrameFile(path, 3)], 0)


def test_what_cannot_be_decoded_is_named(tmp_path):
    image = enhanced_ct(frames_of(ct_series(volume(), CtSeriesDescription(seed="noise"))))
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.80"
    image.PixelData = pydicom.encaps.encapsulate([b"not a codestream" * 20] * 3)
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    path = written(image, tmp_path)
    with pytest.raises(UndecodableSliceError, match="JPEG-LS") as caught:
        read_volume([FrameFile(path, 2)], 0)
    assert image.SOPInstanceUID in str(caught.value)


def test_a_frame_that_is_not_there_is_no_slice(tmp_path):
    image = enhanced_ct(frames_of(ct_series(volume(), CtSeriesDescription(seed="absent"))))
    with pytest.raises(UndecodableSliceError, match="frame 4"):
        read_volume([FrameFile(written(image, tmp_path), 4)], 0)
