"""One lesion, written in every form by other people's libraries, comes back within half a mm."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series, save_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.marks import ImagePlane, MarkReading, place
from dicomnode.marks.fill import fill
from dicomnode.marks.mark_file import read_mark_bytes, read_mark_file
from dicomnode.marks.rasterise import ImageSlice, recist_from_outline
from pipelines.longest_axes import longest_axes
from pipelines.recist import RecistAxes
from tests.dicomnode.marks import test_aim as aim
from tests.dicomnode.marks.test_rtstruct import contour, structure_set
from tests.dicomnode.marks.test_seg import write as write_seg
from tests.dicomnode.presentation_states import graphic, presentation_state
from tests.interop.peers import need, need_folder
from tests.interop.test_dcmjs import FOLDER, affine, write_with_dcmjs

pytestmark = pytest.mark.interop

LINE_TOLERANCE_MM = 0.01
MASK_TOLERANCE_MM = 0.5
SHAPE = (5, 128, 144)
SPACING = (0.4, 0.4)  # square: see test_dcmjs
KEY = 3


class Lesion:
    """A rhombus on one slice of an oblique CT; its diagonals are its axes.

    Attributes
    ----------
    ct : list of Dataset
    paths : list of Path
    planes : list of ImagePlane
    corners : ndarray, shape (4, 2)
        Both ends of the long axis, then of the short axis: (column, row), from the outer corner
        of the first pixel.
    axes : RecistAxes
    """

    def __init__(self, folder: Path) -> None:
        volume = hd.Volume(np.zeros(SHAPE, np.int16), affine(SPACING), coordinate_system="PATIENT")
        self.ct = ct_series(volume, CtSeriesDescription("test_round_trips"))
        self.paths = save_series(self.ct, folder)
        self.planes = [ImagePlane.from_dataset(image, 2.5) for image in self.ct]
        angle = np.radians(20)
        along = np.array([np.cos(angle), np.sin(angle)]) * 11 / SPACING[0]
        across = np.array([-np.sin(angle), np.cos(angle)]) * 7 / SPACING[0]
        centre = np.array([70.3, 62.8])
        self.corners = centre + np.array([-along, along, -across, across])
        plane = self.planes[KEY]
        self.axes = RecistAxes(
            plane.to_patient(self.corners[:2]), plane.to_patient(self.corners[2:])
        )

    @property
    def mask(self) -> np.ndarray:
        """Pixels whose centres the rhombus encloses, shape of the CT."""
        mask = np.zeros(SHAPE, np.uint8)
        mask[KEY] = fill(self.corners[[0, 2, 1, 3]], SHAPE[1:])
        return mask

    @property
    def uid(self) -> str:
        return str(self.ct[KEY].SOPInstanceUID)


@pytest.fixture(scope="module")
def lesion(tmp_path_factory) -> Lesion:
    return Lesion(tmp_path_factory.mktemp("ct"))


def read(dataset: Dataset, folder: Path) -> MarkReading:
    """What is read of a data set that went through a file."""
    path = folder / "object"
    dataset.save_as(path)
    return read_mark_file(path).reading


def dcmjs_sr(form: str) -> Callable[[Lesion, Path], MarkReading]:
    def write(lesion: Lesion, folder: Path) -> MarkReading:
        write_with_dcmjs(lesion.paths[KEY], folder / "sr.dcm", form, lesion.axes)
        return read_mark_file(folder / "sr.dcm").reading

    return write


def highdicom_sr(form: Coordinates) -> Callable[[Lesion, Path], MarkReading]:
    def write(lesion: Lesion, folder: Path) -> MarkReading:
        marks = [DrawnMark(lesion.axes, "T1")]
        return read(recist_report(marks, lesion.ct, "s", coordinates=form), folder)

    return write


def highdicom_gsps(lesion: Lesion, folder: Path) -> MarkReading:
    lines = [graphic(lesion.corners[:2]), graphic(lesion.corners[2:])]
    return read(presentation_state([lesion.ct[KEY]], lines), folder)


def aim_3(lesion: Lesion, folder: Path) -> MarkReading:
    long, short = lesion.corners[:2].tolist(), lesion.corners[2:].tolist()
    shapes = [
        aim.shape3(line, "MultiPoint", lesion.uid, 1, n) for n, line in ((1, long), (2, short))
    ]
    return read_mark_bytes(aim.aim3(*shapes)).reading


def aim_4(lesion: Lesion, folder: Path) -> MarkReading:
    long, short = lesion.corners[:2], lesion.corners[2:]
    shapes = [
        aim.shape4(line, uid=f"1.6.{n}", reference=lesion.uid)
        for n, line in ((1, long), (2, short))
    ]
    return read_mark_bytes(aim.aim4(aim.annotation4(*shapes))).reading


def rtstruct_lines(lesion: Lesion, folder: Path) -> MarkReading:
    axes = lesion.axes.long_axis, lesion.axes.short_axis
    lines = [contour(np.round(axis, 4), "OPEN_PLANAR") for axis in axes]
    return read(
        file_of(structure_set(lines, space=lesion.planes[0].frame_of_reference_uid)), folder
    )


def rtstruct_curve(lesion: Lesion, folder: Path) -> MarkReading:
    corners = lesion.planes[KEY].to_patient(lesion.corners[[0, 2, 1, 3]])
    curve = contour(np.round(corners, 4), image=lesion.uid)
    return read(
        file_of(structure_set([curve], space=lesion.planes[0].frame_of_reference_uid)), folder
    )


def file_of(dataset: Dataset) -> Dataset:
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return dataset


def rtstruct_of_plastimatch(lesion: Lesion, folder: Path) -> MarkReading:
    mask = sitk.GetImageFromArray(lesion.mask)
    to_patient = affine(SPACING)[:3]
    steps = to_patient[:, [2, 1, 0]]  # of columns, rows and slices
    lengths = np.linalg.norm(steps, axis=0)
    mask.SetOrigin(to_patient[:, 3].tolist())
    mask.SetSpacing(lengths.tolist())
    mask.SetDirection((steps / lengths).ravel().tolist())
    sitk.WriteImage(mask, str(folder / "mask.mha"))
    subprocess.run(
        [
            *(need("plastimatch"), "convert", "--input-ss-img", str(folder / "mask.mha")),
            *("--referenced-ct", str(lesion.paths[0].parent)),
            *("--output-dicom", str(folder / "dicom")),
        ],
        check=True,
        timeout=120,
        capture_output=True,
    )
    (written,) = (folder / "dicom").glob("rtss_*.dcm")
    return read_mark_file(written).reading


def seg_of_highdicom(kind: str) -> Callable[[Lesion, Path], MarkReading]:
    def write(lesion: Lesion, folder: Path) -> MarkReading:
        pixels = lesion.mask * np.float32(1) if kind == "FRACTIONAL" else lesion.mask
        return read(write_seg(lesion.ct, pixels, kind, 1), folder)

    return write


def seg_of_dcmjs(lesion: Lesion, folder: Path) -> MarkReading:
    need_folder(FOLDER / "node_modules", "run npm ci in tests/interop/dcmjs")
    lesion.mask.tofile(folder / "labelmap.raw")
    subprocess.run(
        [
            *(need("node"), "write_seg.mjs", str(folder / "seg.dcm")),
            *(str(folder / "labelmap.raw"), *map(str, lesion.paths)),
        ],
        cwd=FOLDER,
        check=True,
        timeout=120,
        capture_output=True,
    )
    return read_mark_file(folder / "seg.dcm").reading


FORMS: dict[str, Callable[[Lesion, Path], MarkReading]] = {
    "SR of dcmjs in pixels": dcmjs_sr("2d"),
    "SR of dcmjs in space": dcmjs_sr("3d"),
    "SR of highdicom in pixels": highdicom_sr(Coordinates.PIXELS),
    "SR of highdicom in space": highdicom_sr(Coordinates.SPACE),
    "GSPS of highdicom": highdicom_gsps,
    "AIM 3": aim_3,
    "AIM 4": aim_4,
    "RTSTRUCT of lines": rtstruct_lines,
    "RTSTRUCT of a curve": rtstruct_curve,
    "RTSTRUCT of plastimatch": rtstruct_of_plastimatch,
    "SEG BINARY of highdicom": seg_of_highdicom("BINARY"),
    "SEG FRACTIONAL of highdicom": seg_of_highdicom("FRACTIONAL"),
    "SEG LABELMAP of highdicom": seg_of_highdicom("LABELMAP"),
    "SEG of dcmjs": seg_of_dcmjs,
}


def measured(reading: MarkReading, lesion: Lesion) -> RecistAxes:
    """Axes in LPS mm of the one lesion of a reading, whatever form it has."""
    if reading.marks:
        (mark,) = reading.marks
        assert mark.in_space or mark.referenced_sop_instance_uid == lesion.uid
        return place(mark, lesion.planes[KEY])
    if reading.outlines:
        images = [
            ImageSlice(str(image.SOPInstanceUID), plane)
            for image, plane in zip(lesion.ct, lesion.planes, strict=True)
        ]
        (outline,) = reading.outlines
        return recist_from_outline(outline, images)
    (segment,) = reading.segments
    (frame,) = (frame for frame in segment.frames if frame.values.any())
    assert frame.referenced_sop_instance_uid == lesion.uid
    plane = lesion.planes[KEY]
    axes = longest_axes(frame.values > 0.5, plane.pixel_spacing)
    return RecistAxes(*(plane.to_patient(axis[:, ::-1] + 0.5) for axis in axes))


def apart_mm(first: np.ndarray, second: np.ndarray) -> float:
    """Greatest distance of the ends of two lines, whichever end comes first."""
    return min(float(np.linalg.norm(first - ends, axis=1).max()) for ends in (second, second[::-1]))


@pytest.mark.parametrize("form", FORMS)
def test_a_lesion_comes_back_within_half_a_millimetre(form, lesion, tmp_path):
    reading = FORMS[form](lesion, tmp_path)
    assert reading.refusals == ()
    found = measured(reading, lesion)
    tolerance = LINE_TOLERANCE_MM if reading.marks else MASK_TOLERANCE_MM
    assert apart_mm(found.long_axis, lesion.axes.long_axis) <= tolerance
    assert apart_mm(found.short_axis, lesion.axes.short_axis) <= tolerance
