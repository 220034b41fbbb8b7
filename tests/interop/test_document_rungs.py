"""Other people's programs read the reports, contours and pointers that are made of lesions."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from dicomnode.demo.ct_series import save_series
from dicomnode.marks import ImagePlane
from dicomnode.marks.mark_reading import Refusal
from dicomnode.results import LADDER, MarkSource
from dicomnode.results.not_processed import not_processed
from dicomnode.results.ohif_report import ohif_report
from dicomnode.results.report import report
from dicomnode.results.rtstruct import rtstruct
from pipelines.measure import measure
from tests.dicomnode.results.enhanced_lesions import enhanced_result
from tests.dicomnode.results.lesions import (
    EQUIPMENT,
    ball_alpha,
    ball_result,
    lesion_result,
    real_result,
    soft_mask,
    volume,
)
from tests.interop.peers import need, need_folder
from tests.interop.test_dciodvfy import errors

pytestmark = pytest.mark.interop

DCMJS = Path(__file__).parent / "dcmjs"
DOCUMENTS = ("report", "ohif-report", "iso-contours", "rtstruct", "key-object")
OBLIQUE = Rotation.from_euler("xyz", (0.1, 0.2, 0.3))

GEOMETRIES = {
    "axial": {"spacing": (2.0, 0.7, 0.7)},
    "oblique": {"rotation": OBLIQUE, "spacing": (2.0, 0.7, 0.7)},
    "sagittal": {"rotation": Rotation.from_euler("y", 90, degrees=True)},
    "not square": {"spacing": (2.5, 0.6, 0.8)},
    "descending": {"descending": True},
    "without body part": {"overrides": {k: {"BodyPartExamined": None} for k in range(6)}},
}


def hollow(result):
    """The same lesion with a hole in its middle slice."""
    alpha = result.mask.alpha.array.copy()
    middle = tuple(n // 2 for n in alpha.shape)
    alpha[middle] = 0
    return replace(result, mask=replace(result.mask, alpha=result.mask.alpha.with_array(alpha)))


def documents_of(result) -> dict[str, Dataset]:
    """Every document of one lesion, each with twins."""
    study = result.study_instance_uid
    seg = MarkSource("1.2.840.10008.5.1.4.1.1.66.4", "1.2.80.1", study, "1.2.80")
    before = MarkSource("1.2.840.10008.5.1.4.1.1.88.34", "1.2.81.1", study, "1.2.81")
    found = {}
    for name in DOCUMENTS:
        rung = LADDER[name]
        if rung.of == "series":
            found[name] = rung.make([result], rung.settings(), twins=[[seg]])
        else:
            found[name] = rung.make(result, rung.settings(), twins=[seg])
    found["report without a segment"] = report([result], predecessors=[before])
    density = replace(result, mask=replace(result.mask, quantity="density-weighted"))
    density = replace(density, measurements=measure(density.mask), mark_sources=())
    found["report without sizes"] = report([density], twins=[[seg]])
    found["rtstruct alone"] = rtstruct([density])
    found["rtstruct with a hole"] = rtstruct([hollow(result)])
    refusals = [Refusal("1.2.3", "no usable geometry"), Refusal("1.3", "no unit")]
    found["not processed"] = not_processed(result.slices[0], refusals, EQUIPMENT)
    return found


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_dciodvfy_finds_no_error(geometry, tmp_path):
    found = {
        name: errors(document, tmp_path)
        for name, document in documents_of(ball_result(**geometry)).items()
    }
    assert found == {name: [] for name in found}


@pytest.mark.parametrize("parts", [1, 2])
def test_dciodvfy_finds_no_error_on_frames_of_enhanced_ct(parts, tmp_path):
    result, _ = enhanced_result(parts, **GEOMETRIES["axial"])
    found = {name: errors(document, tmp_path) for name, document in documents_of(result).items()}
    assert found == {name: [] for name in found}


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["ibsi_ct", "lungdx_A0002_B40f", "dicom_objects"])
def test_dciodvfy_finds_no_error_on_real_ct(folder, tmp_path):
    found = {
        name: errors(document, tmp_path)
        for name, document in documents_of(real_result(folder)).items()
    }
    assert found == {name: [] for name in found}


def test_dsrdump_reads_every_report(tmp_path):
    found = documents_of(ball_result(OBLIQUE))
    for name, words in {
        "report": ("Long Axis", "Image Region", "Referenced Segment", "RECIST 1.1"),
        "report without a segment": ("Predecessor Docs    : 1", "Volume"),
        "ohif-report": ("Cornerstone3DTools", "Short Axis"),
        "key-object": ("Of Interest", "Key Object Description"),
        "not processed": ("Not processed, because", "no usable geometry"),
    }.items():
        path = tmp_path / "document.dcm"
        found[name].save_as(path, enforce_file_format=True)
        done = subprocess.run(
            [need("dsrdump"), str(path)], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert not [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))]
        for word in words:
            assert word in done.stdout, (name, word)


def opened_by_ohif(result, paths, folder) -> dict:
    """The one measurement that OHIF's adapters make of the lesion's axes."""
    need_folder(DCMJS / "node_modules", "run npm ci in tests/interop/dcmjs")
    document = folder / "report.dcm"
    ohif_report([result]).save_as(document, enforce_file_format=True)
    done = subprocess.run(
        [need("node"), "read_bidirectional.mjs", str(document), *map(str, paths)],
        cwd=DCMJS,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    read = json.loads(done.stdout[done.stdout.index('{"tools"') :])
    assert read["tools"] == ["Bidirectional"]
    (measurement,) = read["found"]
    return measurement


@pytest.mark.parametrize("parts", [1, 2])
def test_ohif_reads_a_bidirectional_measurement_on_a_frame(parts, tmp_path):
    result, objects = enhanced_result(parts, **GEOMETRIES["axial"])
    measurement = opened_by_ohif(result, save_series(objects, tmp_path / "ct"), tmp_path)
    axes, mark = result.measurements.axes, result.mark.axes
    points = np.concatenate([axes.long_axis, axes.short_axis])
    np.testing.assert_allclose(measurement["points"], points, atol=0.01)
    # Ours are measured where the reader's are drawn, in the middle of a ball.
    assert measurement["image"] == mark.referenced_sop_instance_uid
    assert measurement["frame"] == mark.referenced_frame
    assert measurement["statistics"]["length"] == pytest.approx(axes.long_mm, abs=6e-4)


# Points of square pixels are in pixels, others in space; sagittal axes run across the slices.
@pytest.mark.parametrize("name", ["axial", "oblique", "not square", "sagittal"])
def test_ohif_reads_a_bidirectional_measurement(name, tmp_path):
    result = ball_result(**GEOMETRIES[name])
    measurement = opened_by_ohif(result, save_series(result.slices, tmp_path / "ct"), tmp_path)
    assert measurement["trackingUid"] == result.tracking_uid
    assert "not for diagnosis" in measurement["label"]
    axes = result.measurements.axes
    points = np.concatenate([axes.long_axis, axes.short_axis])
    np.testing.assert_allclose(measurement["points"], points, atol=0.01 * 0.6)
    if name in ("axial", "oblique"):
        assert measurement["statistics"]["length"] == pytest.approx(axes.long_mm, abs=6e-4)
        assert measurement["statistics"]["width"] == pytest.approx(axes.short_mm, abs=6e-4)
        assert measurement["statistics"]["unit"] == "mm"
        image = {slice_.SOPInstanceUID: slice_ for slice_ in result.slices}[measurement["image"]]
        plane = ImagePlane.from_dataset(image)
        assert plane.distance_mm(points).max() < 0.01


@pytest.mark.parametrize("hollow", [False, True])
def test_plastimatch_fills_the_contours_with_the_same_voxels(hollow, tmp_path):
    spacing, shape, box, offset = (2.0, 0.6, 0.8), (14, 70, 66), (11, 48, 46), (1, 11, 10)
    alpha = ball_alpha(box, spacing, radius_mm=9.5)
    if hollow:
        alpha *= 1 - ball_alpha(box, spacing, radius_mm=4)
    slices = ball_result(spacing=spacing, shape=shape, box=box).slices
    result = lesion_result(soft_mask(volume(spacing=spacing, shape=shape), alpha, offset), slices)
    structures, grid = tmp_path / "structures.dcm", tmp_path / "grid.nrrd"
    rtstruct([result]).save_as(structures, enforce_file_format=True)
    image = sitk.GetImageFromArray(np.zeros(shape, np.int16))
    image.SetSpacing(spacing[::-1])
    image.SetOrigin([float(v) for v in slices[0].ImagePositionPatient])
    sitk.WriteImage(image, str(grid))
    out = tmp_path / "out"
    subprocess.run(
        [
            *(need("plastimatch"), "convert", "--input", str(structures), "--fixed", str(grid)),
            *("--output-prefix", str(out), "--prefix-format", "nrrd"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    for level in (0.25, 0.5, 0.75):
        path = shutil.copy(out / f"Lesion 1 alpha {level}.nrrd", tmp_path / "region.nrrd")
        found = sitk.GetArrayFromImage(sitk.ReadImage(str(path))).astype(bool)
        expected = np.zeros(shape, bool)
        expected[tuple(slice(o, o + n) for o, n in zip(offset, box, strict=True))] = alpha >= level
        dice = 2 * (found & expected).sum() / (found.sum() + expected.sum())
        assert dice >= 0.99, level
