"""Curves of equal alpha as a presentation state (GSPS, PS3.3 A.33.1): most PACS show it.

It has no VOI LUT: a window in a presentation state would replace the reader's own at each slice.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom as hd
from highdicom.color import CIELabColor
from pydicom.dataset import Dataset

from dicomnode.results.body_part import copy_body_part
from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.iso_curves import (
    LEVELS,
    IsoCurve,
    check_levels,
    iso_curves,
    level_colour,
)
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.research_notice import CONTENT_CREATOR, CONTENT_LABEL, NOTICE
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_frames import name_frames
from dicomnode.results.source_slices import copy_patient_and_study, source_headers

NOTICE_LAYER = "NOTICE"

_NOTICE_BOX = (0.01, 0.01, 0.45, 0.04)
"""Left, top, right and bottom of the notice, as parts of the displayed area."""


class MixedRescale(NothingToReport):
    """The slices have several modality LUTs, of which a presentation state holds one."""


_LEVEL_MEANS = {
    "occupancy": "Occupancy {level:.4g}",
    "probability": "Probability {level:.4g}",
    "density-weighted": "Alpha {level:.4g}, density-weighted",
}


@dataclass(frozen=True)
class IsoContourSettings:
    """How a destination wants its contours.

    Attributes
    ----------
    levels : tuple of float
        Alpha on the curves, ascending, each with a graphic layer of its own.
    series_numbers : SeriesNumbers
    series_description : str
        LO, at most 64 characters; ``{method}`` is replaced.
    """

    levels: tuple[float, ...] = LEVELS
    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    series_description: str = "Soft mask contours {method} RESEARCH"

    def __post_init__(self) -> None:
        check_levels(self.levels)


def iso_contours_uids(
    result: LesionResult, settings: IsoContourSettings = IsoContourSettings()
) -> ResultUids:
    """UIDs of the presentation state, known before it is made."""
    return result.uids("iso-contours", options_in_uids(settings))


def iso_contours(
    result: LesionResult,
    settings: IsoContourSettings = IsoContourSettings(),
    twins: Sequence[MarkSource] = (),
) -> hd.pr.GrayscaleSoftcopyPresentationState:
    """Draw curves of equal alpha on the CT slices.

    Parameters
    ----------
    result : LesionResult
    settings : IsoContourSettings
    twins : sequence of MarkSource
        Other objects of the lesion, as every rung takes them. The IOD has no place for them, nor
        for the marks' objects: the Tracking UID of each curve leads there.

    Returns
    -------
    highdicom.pr.GrayscaleSoftcopyPresentationState
        Closed polylines in PIXEL units, which count from the outer corner of the first pixel
        (PS3.3 C.10.5.1.2), one graphic layer for each level. It applies to the slices with a
        curve and keeps their rescaling to HU. Creation Date and Time are the moment of making.

    Raises
    ------
    NothingToReport
        If alpha stays below all levels.
    MixedRescale
        If the slices have several modality LUTs.
    """
    curves = {level: iso_curves(result, level) for level in settings.levels}
    indices = sorted({index for by_slice in curves.values() for index in by_slice})
    if not indices:
        raise NothingToReport(f"alpha stays below {settings.levels[0]}, there are no curves")
    headers = dict(zip(indices, map(_without_window, _headers(result, indices)), strict=True))
    rescales = {(h.get("RescaleSlope"), h.get("RescaleIntercept")) for h in headers.values()}
    if len(rescales) > 1:
        raise MixedRescale(f"found {len(rescales)} different rescales, expected one")
    layers = {
        level: hd.pr.GraphicLayer(
            layer_name=_layer_name(level),
            order=order,
            description=_LEVEL_MEANS[result.mask.quantity].format(level=level),
            display_color=CIELabColor.from_rgb(*level_colour(level)),
        )
        for order, level in enumerate(settings.levels, start=1)
    }
    notice_layer = hd.pr.GraphicLayer(
        layer_name=NOTICE_LAYER,
        order=len(layers) + 1,
        description=NOTICE,
        display_color=CIELabColor.from_rgb(255, 255, 255),
    )
    annotations = [
        annotation
        for level, by_slice in curves.items()
        for annotation in _annotations(headers, layers[level], by_slice, result)
    ]
    annotations.append(
        hd.pr.GraphicAnnotation(
            referenced_images=list(headers.values()),
            graphic_layer=notice_layer,
            text_objects=[
                hd.pr.TextObject(
                    text_value=f"{NOTICE.upper()} ({result.mask.method})",
                    units=hd.pr.AnnotationUnitsValues.DISPLAY,
                    bounding_box=_NOTICE_BOX,
                    text_justification=hd.pr.TextJustificationValues.LEFT,
                )
            ],
        )
    )
    uids, equipment = iso_contours_uids(result, settings), result.equipment
    state = hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(headers.values()),
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=result.number,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        content_label=CONTENT_LABEL,
        content_description=NOTICE,
        content_creator_name=CONTENT_CREATOR,
        graphic_layers=[*layers.values(), notice_layer],
        graphic_annotations=annotations,
        contributing_equipment=[contributing_equipment(equipment)],
        series_description=settings.series_description.format(method=result.mask.method)[:64],
        specific_character_set="ISO_IR 192",
    )
    copy_patient_and_study(result.slices[indices[0]], state)
    copy_body_part(result.slices[indices[0]], state)
    _fix_displayed_area(state, result.slices[indices[0]])
    name_frames(state, result.stand_ins)
    return state


def _layer_name(level: float) -> str:
    """Such as "ALPHA 25 PCT": a code string has no decimal point."""
    return f"ALPHA {level * 100:.4g} PCT".replace(".", "_")


def _headers(result: LesionResult, indices: list[int]) -> list[Dataset]:
    return source_headers([result.slices[index] for index in indices])


def _without_window(header: Dataset) -> Dataset:
    """Leave out windows, which highdicom would copy from the images."""
    for keyword in (
        "WindowCenter",
        "WindowWidth",
        "WindowCenterWidthExplanation",
        "VOILUTFunction",
        "VOILUTSequence",
    ):
        if keyword in header:
            delattr(header, keyword)
    return header


def _annotations(
    headers: dict[int, Dataset],
    layer: hd.pr.GraphicLayer,
    by_slice: dict[int, tuple[IsoCurve, ...]],
    result: LesionResult,
) -> list[hd.pr.GraphicAnnotation]:
    """One for each slice. The first is made and checked; the others are copies of it.

    At every making highdicom looks the images' class up in its tables of the standard, which takes
    longer than all else of the object.
    """
    made: list[hd.pr.GraphicAnnotation] = []
    blank = None
    for index, curves in by_slice.items():
        drawn = [_polyline(curve, result) for curve in curves]
        if blank is None:
            annotation = hd.pr.GraphicAnnotation([headers[index]], layer, graphic_objects=drawn)
            blank = copy.deepcopy(annotation)
            del blank.GraphicObjectSequence
        else:
            annotation = copy.deepcopy(blank)
            (image,) = annotation.ReferencedImageSequence
            image.ReferencedSOPClassUID = headers[index].SOPClassUID
            image.ReferencedSOPInstanceUID = headers[index].SOPInstanceUID
            annotation.GraphicObjectSequence = drawn
        made.append(annotation)
    return made


def _polyline(curve: IsoCurve, result: LesionResult) -> hd.pr.GraphicObject:
    return hd.pr.GraphicObject(
        graphic_type=hd.pr.GraphicTypeValues.POLYLINE,
        graphic_data=curve.closed,
        units=hd.pr.AnnotationUnitsValues.PIXEL,
        tracking_id=result.tracking_id,
        tracking_uid=result.tracking_uid,
    )


def _fix_displayed_area(state: Dataset, header: Dataset) -> None:
    """State the pixels' shape: highdicom writes square ones, which would distort the image."""
    for item in state.DisplayedAreaSelectionSequence:
        item.pop("PresentationPixelAspectRatio", None)
        item.PresentationPixelSpacing = header.PixelSpacing
        # Of tiled images only (PS3.3 C.10.4).
        item.pop("PixelOriginInterpretation", None)
