"""A soft mask drawn over its CT as colour pictures: what every viewer shows.

Each is a secondary capture with the place in space of the slice that it shows, so that a viewer
scrolls it beside the CT, measures on it and draws cross-references. Research notice and legend are
burned in, for a picture travels without its header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from highdicom.sc import SCImage
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import JPEGLSLossless
from pydicom.valuerep import format_number_as_ds

from dicomnode.pictures.field_of_view import FieldOfView, field_of_view
from dicomnode.pictures.hu_window import hu_window
from dicomnode.pictures.lesion_picture import BURNED_IN, Curve, Legend, lesion_picture
from dicomnode.results.body_part import copy_body_part
from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.drawn_marks import drawn_marks
from dicomnode.results.instance_references import References, reference_instances
from dicomnode.results.iso_curves import check_levels, iso_curves, level_colour
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_frames import name_frames
from dicomnode.results.source_slices import (
    check_geometry,
    check_same_grid,
    copy_patient_and_study,
    source_headers,
    state_shared_geometry,
)
from dicomnode.results.whole_frames import covered_slices

_SOURCE_IMAGE = CodedConcept("121322", "DCM", "Source Image for Image Processing Operation")
_SEGMENTATION = CodedConcept("113076", "DCM", "Segmentation")
_NUMBERS_OF_A_LESION = 1000
"""Instance numbers that each lesion has to itself in the series."""


_ALPHA_MEANS = {
    "occupancy": "alpha: part of the voxel that is lesion",
    "probability": "alpha: part of readers who would mark the voxel",
    "density-weighted": "alpha: weighted by density, no volume",
}


@dataclass(frozen=True)
class SecondaryCaptureSettings:
    """How a destination wants its pictures.

    Attributes
    ----------
    series_description : str
        LO, at most 64 characters; ``{method}`` is replaced.
    window : tuple of float or None
        HU shown as black and as white. None: a lung window where there is air around the lesion,
        else one for soft tissue.
    levels : tuple of float
        Of the curves, ascending. Slices below the first are not drawn.
    field_of_view_mm : float
        Least side of what is shown.
    size : int
        Pixels of the longer side, at least, without the legend.
    references : "ct" or "all"
        Whether it names the CT alone, or also what held the mark, and twins.
    transfer_syntax_uid : str
        JPEG-LS Lossless or Explicit VR Little Endian, or another that highdicom writes RGB in.
    series_numbers : SeriesNumbers
    """

    series_description: str = "Overlay {method} RESEARCH not for diagnosis"
    window: tuple[float, float] | None = None
    levels: tuple[float, ...] = (0.25, 0.5, 0.75)
    field_of_view_mm: float = 100.0
    size: int = 512
    references: References = "ct"
    transfer_syntax_uid: str = JPEGLSLossless
    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)

    def __post_init__(self) -> None:
        check_levels(self.levels)
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"found window {self.window} HU, expected the lower bound first")
        if not self.field_of_view_mm > 0 or not 64 <= self.size <= 4096:
            raise ValueError(
                f"found a field of view of {self.field_of_view_mm} mm on {self.size} pixels, "
                "expected more than 0 mm and 64 to 4096 pixels"
            )


def secondary_capture_uids(
    result: LesionResult, settings: SecondaryCaptureSettings, slice_index: int
) -> ResultUids:
    """UIDs of the picture of one slice (index in `result.slices`), known before it is made."""
    slice_uid = str(result.slices[slice_index].SOPInstanceUID)
    return result.uids("secondary-capture", options_in_uids(settings), slice_uid)


def drawn_slices(result: LesionResult, settings: SecondaryCaptureSettings) -> range:
    """Indices in `result.slices` of the slices that are drawn.

    Raises
    ------
    EmptyMask
        If no voxel reaches the first level.
    """
    return covered_slices(result, np.asarray(result.mask.alpha.array) >= settings.levels[0])


def secondary_capture(
    result: LesionResult,
    settings: SecondaryCaptureSettings = SecondaryCaptureSettings(),
    twins: Sequence[MarkSource] = (),
    *,
    hu: npt.NDArray,
) -> list[SCImage]:
    """Draw a soft mask over its CT, one RGB picture for each slice (PS3.3 A.8.1).

    Pixels are square. Image Position and Pixel Spacing are those of the picture itself; the legend
    goes on below on the same grid. Window, field of view and scale are the same for all slices of a
    lesion. Dates and times of series, content and instance are those of the making.

    Parameters
    ----------
    result : LesionResult
    settings : SecondaryCaptureSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.
    hu : ndarray, shape (slices of the soft mask, Rows, Columns)
        CT of the slices that the soft mask's crop covers, whole.

    Returns
    -------
    list of highdicom.sc.SCImage
        In the order of the slices.

    Raises
    ------
    EmptyMask
        If no voxel reaches the first level.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where its offset says.
    ValueError
        If `hu` has another shape.
    """
    mask, drawn = result.mask, drawn_slices(result, settings)
    check_same_grid(mask, result.slices)
    headers = source_headers(result.slices[drawn.start : drawn.stop])
    gap = check_geometry(headers) or mask.alpha.spacing_between_slices
    state_shared_geometry(headers, gap)
    shape = (int(headers[0].Rows), int(headers[0].Columns))
    if hu.shape != (mask.alpha.array.shape[0], *shape):
        raise ValueError(
            f"found HU of shape {hu.shape}, expected {(mask.alpha.array.shape[0], *shape)}"
        )
    view = field_of_view(
        _box(result, settings.levels[0]),
        shape,
        tuple(float(v) for v in headers[0].PixelSpacing),
        settings.field_of_view_mm,
        settings.size,
    )
    top = mask.offset[0]
    window = settings.window or hu_window(_surroundings(result, view, hu))
    curves = {level: iso_curves(result, level) for level in settings.levels}
    marks = drawn_marks(result, drawn)
    legend = _legend(result, settings, window, view)
    alpha = np.zeros(shape, dtype=np.float32)
    inside = (
        slice(mask.offset[1], mask.offset[1] + mask.alpha.array.shape[1]),
        slice(mask.offset[2], mask.offset[2] + mask.alpha.array.shape[2]),
    )
    made = []
    for place, (index, header) in enumerate(zip(drawn, headers, strict=True), start=1):
        alpha[inside] = mask.alpha.array[index - top]
        picture = lesion_picture(
            hu[index - top],
            alpha,
            view,
            window,
            [
                Curve(curve.points, level_colour(level), closed=True)
                for level, on_slices in curves.items()
                for curve in on_slices.get(index, ())
            ],
            [Curve(points, closed=closed) for points, closed in marks.get(index, ())],
            legend,
            _title(result, place, len(drawn), header),
        )
        made.append(_capture(result, settings, twins, index, place, header, view, picture))
    return made


def _box(result: LesionResult, level: float) -> tuple[float, float, float, float]:
    """What of the soft mask is drawn: left, top, right, bottom in pixels of the slice."""
    held = (np.asarray(result.mask.alpha.array) >= level).any(axis=0)
    rows, columns = (np.flatnonzero(held.any(axis=axis)) for axis in (1, 0))
    _, row, column = result.mask.offset
    return (
        float(column + columns[0]),
        float(row + rows[0]),
        float(column + columns[-1] + 1),
        float(row + rows[-1] + 1),
    )


def _surroundings(result: LesionResult, view: FieldOfView, hu: npt.NDArray) -> npt.NDArray:
    """HU of the field of view on the slice where the lesion is largest."""
    largest = int(np.asarray(result.mask.alpha.array).sum(axis=(1, 2)).argmax())
    return view.resample(hu[largest], smooth=False)


def _legend(
    result: LesionResult,
    settings: SecondaryCaptureSettings,
    window: tuple[float, float],
    view: FieldOfView,
) -> Legend:
    return Legend(
        alpha=_ALPHA_MEANS[result.mask.quantity],
        levels=tuple((level, level_colour(level)) for level in settings.levels),
        lines=(
            _sizes(result),
            f"method {result.mask.method}, {result.equipment.model_name} "
            f"{result.equipment.software_version};  window {window[0]:g} to {window[1]:g} HU;  "
            f"{view.pixel_mm:.3f} mm a pixel",
        ),
    )


def _sizes(result: LesionResult) -> str:
    sizes = result.measurements
    parts = []
    if sizes.soft_volume_ml is not None:
        parts.append(
            f"soft volume {sizes.soft_volume_ml:.3g} ml ({sizes.core_volume_ml:.3g} at alpha 0.75, "
            f"{sizes.outer_volume_ml:.3g} at 0.25)"
        )
    if sizes.long_mm is not None and sizes.short_mm is not None:
        parts.append(f"{sizes.long_mm:.1f} x {sizes.short_mm:.1f} mm at alpha 0.5")
    return ";  ".join(parts)


def _title(result: LesionResult, place: int, count: int, header: Dataset) -> str:
    number = header.get("InstanceNumber")
    image = "" if number is None else f",  CT image {number}"
    frame = result.stand_ins.frames.get(str(header.SOPInstanceUID))
    image += "" if frame is None else f",  frame {frame.number}"
    return f"lesion {result.number},  slice {place} of {count}{image}"


def _capture(
    result: LesionResult,
    settings: SecondaryCaptureSettings,
    twins: Sequence[MarkSource],
    index: int,
    place: int,
    header: Dataset,
    view: FieldOfView,
    picture: npt.NDArray[np.uint8],
) -> SCImage:
    uids = secondary_capture_uids(result, settings, index)
    equipment = result.equipment
    directions = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    made = SCImage(
        picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=result.study_instance_uid,
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=result.number * _NUMBERS_OF_A_LESION + place,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        pixel_spacing=(view.pixel_mm, view.pixel_mm),
        patient_orientation=_patient_orientation(directions),
        transfer_syntax_uid=settings.transfer_syntax_uid,
        contributing_equipment=[contributing_equipment(equipment)],
        specific_character_set="ISO_IR 192",
        series_description=settings.series_description.format(method=result.mask.method)[:64],
    )
    source = result.slices[index]
    copy_patient_and_study(source, made)
    copy_body_part(source, made)
    made.ConversionType = "WSD"
    made.SecondaryCaptureDeviceManufacturer = equipment.manufacturer
    made.SecondaryCaptureDeviceManufacturerModelName = equipment.model_name
    made.SecondaryCaptureDeviceSoftwareVersions = equipment.software_version
    made.BurnedInAnnotation = "YES"
    made.RecognizableVisualFeatures = "NO"
    made.ImageComments = BURNED_IN
    made.DerivationDescription = (
        f"Soft mask ({result.mask.method}) with curves and the reader's mark drawn over CT. "
        f"{BURNED_IN}"
    )
    made.DerivationCodeSequence = DicomSequence([_SEGMENTATION])
    _place_in_space(made, header, view, directions)
    _copy_lossy_compression(source, made)
    _reference_slice(made, source)
    if settings.references == "all":
        reference_instances(made, result.mark_sources, twins)
    name_frames(made, result.stand_ins)
    return made


def _place_in_space(
    made: Dataset, header: Dataset, view: FieldOfView, directions: npt.NDArray[np.float64]
) -> None:
    """Say where the picture's own pixels lie (PS3.3 C.7.4.1 and C.7.6.2)."""
    along_row, along_column = view.first_pixel_mm()
    position = np.array(header.ImagePositionPatient, dtype=np.float64)
    position = position + along_row * directions[0] + along_column * directions[1]
    made.FrameOfReferenceUID = header.FrameOfReferenceUID
    made.PositionReferenceIndicator = header.get("PositionReferenceIndicator") or None
    made.ImageOrientationPatient = header.ImageOrientationPatient
    # Adding 0 makes a negative zero positive.
    made.ImagePositionPatient = [format_number_as_ds(float(v) + 0.0) for v in position]
    made.SliceThickness = header.SliceThickness
    made.SpacingBetweenSlices = header.SpacingBetweenSlices


def _patient_orientation(directions: npt.NDArray[np.float64]) -> tuple[str, str]:
    """Letters of the axes nearest to row and column (PS3.3 C.7.6.1.1.1)."""
    letters = ("LR", "PA", "HF")
    named = []
    for direction in directions:
        axis = int(np.argmax(np.abs(direction)))
        named.append(letters[axis][0 if direction[axis] > 0 else 1])
    return named[0], named[1]


def _copy_lossy_compression(source: Dataset, made: Dataset) -> None:
    """What was lost once stays lost (PS3.3 C.7.6.1.1.5)."""
    made.LossyImageCompression = source.get("LossyImageCompression") or "00"
    if made.LossyImageCompression == "01":
        for keyword in ("LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if keyword in source:
                setattr(made, keyword, source[keyword].value)


def _reference_slice(made: Dataset, source: Dataset) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    listed = Dataset()
    listed.update(item)
    item.PurposeOfReferenceCodeSequence = DicomSequence([_SOURCE_IMAGE])
    made.SourceImageSequence = DicomSequence([item])
    series = Dataset()
    series.SeriesInstanceUID = source.SeriesInstanceUID
    series.ReferencedInstanceSequence = DicomSequence([listed])
    made.ReferencedSeriesSequence = DicomSequence([series])
