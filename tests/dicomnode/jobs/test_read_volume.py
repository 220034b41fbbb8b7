"""CT slices become HU, whatever lossless syntax they came in, on the grid they were made on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series, save_series
from dicomnode.jobs.engine import ProcessEngine
from dicomnode.jobs.read_volume import UndecodableSliceError, read_volume
from dicomnode.receive.sop_classes import CT_CLASSES, transfer_syntaxes

gdcm = pytest.importorskip("gdcm")


def volume(
    shape: tuple[int, int, int] = (3, 24, 20),
    spacing: tuple[float, float, float] = (2.5, 0.7, 0.8),
    rotation: np.ndarray | None = None,
    seed: int = 0,
) -> hd.Volume:
    """HU with everything from air to bone; axes (slice, row, column) of a right-handed stack."""
    hu = np.random.default_rng(seed).integers(-1024, 2000, shape).astype(np.int16)
    affine = np.eye(4)
    standard = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=np.float64)
    affine[:3, :3] = (np.eye(3) if rotation is None else rotation) @ standard * spacing
    affine[:3, 3] = (-12.5, 30.0, 100.0)
    return hd.Volume(
        hu, affine, coordinate_system="PATIENT", frame_of_reference_uid="1.2.826.0.1.3680043.10.7"
    )


def store(image: pydicom.Dataset, values: np.ndarray, bits: int, signed: bool) -> None:
    """Give a slice other stored values."""
    image.BitsStored, image.HighBit, image.PixelRepresentation = bits, bits - 1, int(signed)
    image.PixelData = (values.astype(np.int64) & (2**bits - 1)).astype("<u2").tobytes()
    image["PixelData"].VR = "OW"


def _program(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} (DCMTK) is not installed")
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _by_gdcm(syntax: int, source: Path, target: Path) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(source))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()


def _by_pydicom(syntax: str, source: Path, target: Path) -> None:
    image = pydicom.dcmread(source)
    if image.PixelRepresentation and image.BitsStored < 16:
        # pydicom's encoders want values with their sign.
        unused = 16 - image.BitsStored
        values = np.frombuffer(image.PixelData, "<i2")
        image.PixelData = ((values << unused) >> unused).tobytes()
    image.compress(syntax, generate_instance_uid=False)
    image.save_as(target)


def _implicit(source: Path, target: Path) -> None:
    image = pydicom.dcmread(source)
    image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    image.save_as(target, implicit_vr=True, little_endian=True)


ENCODERS = {
    "implicit": (ImplicitVRLittleEndian, _implicit),
    "jpeg-ls by dcmtk": (
        JPEGLSLossless,
        lambda s, t: _program("dcmcjpls", str(s), str(t)),
    ),
    "jpeg-ls by pydicom": (JPEGLSLossless, lambda s, t: _by_pydicom(JPEGLSLossless, s, t)),
    "jpeg sv1 by dcmtk": (
        JPEGLosslessSV1,
        lambda s, t: _program("dcmcjpeg", "+e1", str(s), str(t)),
    ),
    "jpeg process 14 by dcmtk": (
        JPEGLossless,
        lambda s, t: _program("dcmcjpeg", "+el", str(s), str(t)),
    ),
    "jpeg 2000 by gdcm": (
        JPEG2000Lossless,
        lambda s, t: _by_gdcm(gdcm.TransferSyntax.JPEG2000Lossless, s, t),
    ),
    "rle by dcmtk": (RLELossless, lambda s, t: _program("dcmcrle", str(s), str(t))),
    "rle by pydicom": (RLELossless, lambda s, t: _by_pydicom(RLELossless, s, t)),
}


@pytest.mark.parametrize(("bits", "signed"), [(12, False), (12, True), (16, False), (16, True)])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_syntax_gives_the_same_hu(tmp_path, encoder, bits, signed):
    made = volume()
    hu = np.asarray(made.array).astype(np.int64)
    intercept = 0 if signed and bits == 16 else -1024 if not signed else 500
    paths = []
    for index, image in enumerate(ct_series(made, CtSeriesDescription(seed="syntax"))):
        store(image, hu[index] - intercept, bits, signed)
        image.RescaleIntercept = str(intercept)
        plain = tmp_path / f"{index}.dcm"
        image.save_as(plain, enforce_file_format=True)
        syntax, encode = ENCODERS[encoder]
        paths.append(tmp_path / f"{index}.encoded.dcm")
        encode(plain, paths[-1])
        assert pydicom.dcmread(paths[-1]).file_meta.TransferSyntaxUID == syntax
    read, warnings = read_volume(paths, 1)
    assert read.array.dtype == np.float32
    np.testing.assert_array_equal(read.array, hu)
    assert warnings == ()


def test_there_is_a_decoder_for_every_syntax_that_ct_is_received_in():
    tried = {str(syntax) for syntax, _ in ENCODERS.values()} | {"1.2.840.10008.1.2.1"}
    for sop_class in CT_CLASSES:
        assert set(transfer_syntaxes(sop_class)) <= tried


def test_values_are_rescaled(tmp_path):
    made = volume()
    images = ct_series(made, CtSeriesDescription(seed="rescale"))
    images[0].RescaleSlope, images[0].RescaleIntercept = "0.5", "-100.25"
    read, _ = read_volume(save_series(images, tmp_path), 0)
    np.testing.assert_allclose(read.array[0], made.array[0] * 0.5 - 100.25, atol=1e-3)
    np.testing.assert_array_equal(read.array[1:], made.array[1:])


def test_padding_below_air_keeps_its_value(tmp_path):
    """GE writes -2000 with an intercept of -1024 outside the circle; the pipeline makes it air."""
    made = volume()
    images = ct_series(made, CtSeriesDescription(seed="padding"))
    hu = np.asarray(made.array).astype(np.int64)
    hu[:, :3] = -3024
    for index, image in enumerate(images):
        store(image, hu[index] + 1024, 16, True)
        image.RescaleIntercept = "-1024"
        image.add_new("PixelPaddingValue", "SS", -2000)
    read, _ = read_volume(save_series(images, tmp_path), 0)
    np.testing.assert_array_equal(read.array, hu)


def test_what_stands_in_unused_bits_is_no_hu(tmp_path):
    """Old scanners left overlays above the stored bits (PS3.5 8.1.1)."""
    made = volume()
    images = ct_series(made, CtSeriesDescription(seed="overlay"))
    for image in images:
        store(image, np.frombuffer(image.PixelData, "<i2").astype(np.int64) + 1024, 12, False)
        image.RescaleIntercept = "-1024"
        words = np.frombuffer(image.PixelData, "<u2") | np.uint16(0xA000)
        image.PixelData = words.tobytes()
    read, _ = read_volume(save_series(images, tmp_path), 0)
    np.testing.assert_array_equal(read.array, made.array)


def test_tilt_is_told_and_the_key_slice_stays_where_it_was(tmp_path):
    made = volume(shape=(5, 24, 20))
    shift = np.tan(np.radians(12.0)) * 2.5
    overrides = {
        i: {"ImagePositionPatient": [-12.5, 30.0 + i * shift, 100.0 + 2.5 * i]} for i in range(5)
    }
    images = ct_series(made, CtSeriesDescription(seed="tilt"), overrides)
    read, warnings = read_volume(save_series(images, tmp_path), 3)
    assert warnings == ("gantry tilt of 12.0 degrees: matted on the sheared grid",)
    key = read.map_indices_to_reference(np.array([[3.0, 0, 0]]))[0]
    np.testing.assert_allclose(key, images[3].ImagePositionPatient, atol=1e-6)
    np.testing.assert_allclose(read.spacing, (2.5, 0.7, 0.8))


def test_a_single_slice_is_as_thick_as_it_says(tmp_path):
    made = volume(shape=(1, 24, 20))
    read, warnings = read_volume(
        save_series(ct_series(made, CtSeriesDescription("one")), tmp_path), 0
    )
    assert "only one slice" in warnings[0]
    assert read.spatial_shape == (1, 24, 20)
    np.testing.assert_allclose(read.affine, made.affine)


@settings(max_examples=15, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 5.0)] * 3),
    seed=st.integers(0, 3),
)
def test_any_orientation_lies_where_highdicom_sees_it(tmp_path_factory, angles, spacing, seed):
    a, b, c = angles
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    tip = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    roll = np.array([[1, 0, 0], [0, np.cos(c), -np.sin(c)], [0, np.sin(c), np.cos(c)]])
    made = volume(shape=(4, 6, 5), spacing=spacing, rotation=turn @ tip @ roll, seed=seed)
    images = ct_series(made, CtSeriesDescription(seed="oblique"))
    paths = save_series(images, tmp_path_factory.mktemp("oblique"))
    # The node stacks along the normal, whichever way the writer went.
    orientation = np.array(images[0].ImageOrientationPatient, dtype=np.float64)
    normal = np.cross(orientation[:3], orientation[3:])
    paths = [
        path
        for _, path in sorted(
            zip(images, paths, strict=True),
            key=lambda pair: normal @ np.array(pair[0].ImagePositionPatient, dtype=np.float64),
        )
    ]
    read, warnings = read_volume(paths, 2)
    theirs = hd.get_volume_from_series([pydicom.dcmread(path) for path in paths])
    ours = read.match_geometry(theirs, tol=1e-3)
    np.testing.assert_array_equal(ours.array, theirs.array)
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
    assert read.frame_of_reference_uid == theirs.frame_of_reference_uid
    assert warnings == ()


def _with_syntax(folder: Path, syntax: str, pixels: bytes) -> Path:
    (path,) = save_series(
        ct_series(volume(shape=(1, 24, 20)), CtSeriesDescription(seed="foreign")), folder
    )
    image = pydicom.dcmread(path)
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelData = pydicom.encaps.encapsulate([pixels])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.save_as(path)
    return path


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),  # no decoder
        ("1.2.840.10008.1.2.4.80", "JPEG-LS"),  # noise
        ("1.2.840.10008.1.2.4.70", "JPEG Lossless"),
        ("1.2.840.10008.1.2.4.90", "JPEG 2000"),
        ("1.2.840.10008.1.2.5", "RLE"),
    ],
)
def test_what_cannot_be_decoded_is_named(tmp_path, syntax, name):
    path = _with_syntax(tmp_path, syntax, b"not a codestream" * 20)
    with pytest.raises(UndecodableSliceError) as caught:
        read_volume([path], 0)
    assert name in str(caught.value)
    assert path.stem in str(caught.value)
    assert "SYNTHETIC" not in str(caught.value)


def test_the_error_comes_out_of_a_worker_as_it_is(tmp_path):
    path = _with_syntax(tmp_path, "1.2.840.10008.1.2.4.201", bytes(16))
    engine = ProcessEngine(1)
    try:
        with pytest.raises(UndecodableSliceError, match="cannot be decoded"):
            engine.submit(read_volume, [path], 0).result(60)
    finally:
        engine.stop()
