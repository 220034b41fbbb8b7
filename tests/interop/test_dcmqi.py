"""dcmqi, by which 3D Slicer and MITK read segmentations and maps, reads ours as they are."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian
from scipy.spatial.transform import Rotation

from dicomnode.results import LADDER
from tests.dicomnode.results.lesions import ball_result
from tests.interop.peers import need

pytestmark = pytest.mark.interop

GEOMETRIES = {
    "axial": lambda: ball_result(),
    "oblique": lambda: ball_result(Rotation.from_euler("xyz", (0.3, -0.2, 0.5))),
    "descending": lambda: ball_result(spacing=(1.25, 0.6, 0.9), descending=True),
}


def convert(program, made, folder) -> subprocess.CompletedProcess:
    path, out = folder / "object.dcm", folder / "out"
    out.mkdir()
    made.save_as(path, enforce_file_format=True)
    command = [need(program), "--inputDICOM", path, "--outputDirectory", out, "-t", "nrrd"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def read(program, made, folder) -> tuple[dict, dict[str, sitk.Image]]:
    done = convert(program, made, folder)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    about = json.loads((folder / "out" / "meta.json").read_text())
    return about, {p.stem: sitk.ReadImage(str(p)) for p in Path(folder, "out").glob("*.nrrd")}


def on_the_crop(image: sitk.Image, result) -> np.ndarray:
    """The image's values at the voxels of the soft mask; 0 where it has none."""
    mask = result.mask.alpha
    found = np.zeros(mask.array.shape)
    array = sitk.GetArrayFromImage(image)
    for index in np.ndindex(*mask.array.shape):
        point = mask.affine[:3, :3] @ index + mask.affine[:3, 3]
        place = image.TransformPhysicalPointToContinuousIndex(point.tolist())
        nearest = np.rint(place).astype(int)
        assert np.abs(place - nearest).max() < 0.02
        if (nearest >= 0).all() and (nearest < image.GetSize()).all():
            found[index] = array[tuple(nearest[::-1])]
    return found


def made(name, result):
    rung = LADDER[name]
    syntax = {"transfer_syntax_uid": ExplicitVRLittleEndian}
    return rung.make(result, rung.settings(**(syntax if name.startswith("labelmap") else {})))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_binary_mask(geometry, tmp_path):
    result = GEOMETRIES[geometry]()
    about, images = read("segimage2itkimage", made("binary-seg", result), tmp_path)
    np.testing.assert_array_equal(on_the_crop(images["1"], result), result.mask.alpha.array >= 0.5)
    ((segment,),) = about["segmentAttributes"]
    assert segment["TrackingUniqueIdentifier"] == "1.2.7"
    assert segment["SegmentAlgorithmType"] == "SEMIAUTOMATIC"
    assert segment["recommendedDisplayRGBValue"] == [213, 94, 0]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_bands(geometry, tmp_path):
    result = GEOMETRIES[geometry]()
    about, images = read("segimage2itkimage", made("band-seg", result), tmp_path)
    found = sum((on_the_crop(image, result) > 0) * int(name) for name, image in images.items())
    np.testing.assert_array_equal(found, np.digitize(result.mask.alpha.array, [0.25, 0.5, 0.75]))
    segments = [segment for group in about["segmentAttributes"] for segment in group]
    assert [s["SegmentLabel"].split()[1] for s in segments] == ["halo", "rim", "core"]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_label_map(geometry, tmp_path):
    result = GEOMETRIES[geometry]()
    about, images = read("segimage2itkimage", made("labelmap-seg", result), tmp_path)
    expected = np.digitize(result.mask.alpha.array, [0.25, 0.5, 0.75])
    np.testing.assert_array_equal(on_the_crop(images["1"], result), expected)
    assert [s["labelID"] for group in about["segmentAttributes"] for s in group] == [1, 2, 3]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_parametric_map(geometry, tmp_path):
    result = GEOMETRIES[geometry]()
    about, images = read("paramap2itkimage", made("parametric-map", result), tmp_path)
    found = on_the_crop(images["pmap"], result)
    filled = (result.mask.alpha.array > 0.5 / 255).any(axis=(1, 2))
    np.testing.assert_array_equal(found[filled], result.mask.alpha.array[filled])
    assert not found[~filled].any()
    assert about["QuantityValueCode"]["CodeValue"] == "110855"
    assert about["MeasurementUnitsCode"]["CodeValue"] == "1"
    assert float(about["RealWorldValueSlope"]) == 1


def test_no_segmentation_in_jpeg_ls_is_read(tmp_path):
    """Where this fails, dcmqi has learnt it: then 3D Slicer's users need no other syntax."""
    rung = LADDER["labelmap-seg"]
    done = convert("segimage2itkimage", rung.make(ball_result(), rung.settings()), tmp_path)
    assert done.returncode != 0
    assert "JPEG-LS" in done.stdout + done.stderr
