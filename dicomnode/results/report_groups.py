"""The two measurement groups of a lesion in a report (PS3.16 TID 1410 and TID 1411)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from dicomnode.results import report_codes as code
from dicomnode.results.algorithm_identification import family_of
from dicomnode.results.computed_axes import computed_axes
from dicomnode.results.iso_curves import IsoCurve, iso_curves
from dicomnode.results.lesion_result import LesionResult, MarkSource
from dicomnode.results.marked_axes import MarkedAxes, marked_axes
from dicomnode.results.research_notice import NOTICE
from dicomnode.results.segment_description import coded, is_public

DECIMALS = 3
"""Of written values: a micrometre, a microlitre."""

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes of objects that have segments."""

STARTED_BY = "Semi-automatic: made from a reader's mark."

NO_OCCUPANCY = (
    "The mask is density-weighted: it says how dense the lesion is and not which part of a voxel "
    "it takes, so it has no volume and no diameters."
)

SHARE_OF_READERS = (
    "Alpha is the share of readers who would mark a voxel; the soft volume is the mean of theirs."
)


@dataclass(frozen=True, eq=False)
class PlanarGroup:
    """A TID 1410 group, and the slices that it refers to.

    Attributes
    ----------
    group : highdicom.sr.PlanarROIMeasurementsAndQualitativeEvaluations
    slice_indices : tuple of int
        In `LesionResult.slices`.
    """

    group: hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations
    slice_indices: tuple[int, ...]


def segment_of(twins: Sequence[MarkSource]) -> MarkSource | None:
    """The first twin that has segments."""
    return next((twin for twin in twins if twin.sop_class_uid in SEGMENTATIONS), None)


def outline_level(result: LesionResult) -> float:
    """Alpha on the outline: 0.5 or, where alpha stays lower, half of the greatest; 0 for none."""
    greatest = float(result.mask.alpha.array.max())
    return 0.5 if greatest >= 0.5 else greatest / 2


def planar_group(result: LesionResult) -> PlanarGroup | None:
    """Outline, axes and the reader's own axes beside them; None for a mask without any alpha.

    The outline is on the slice of the axes or, without axes, where it is largest.
    """
    level = outline_level(result)
    curves = iso_curves(result, level) if level > 0 else {}
    if not curves:
        return None
    axes = computed_axes(result)
    if axes is not None and axes.slice_index in curves:
        index = axes.slice_index
    else:
        index = max(curves, key=lambda k: sum(curve.area for curve in curves[k]))
    measured, drawn, slices = [], [], {index}
    sizes = result.measurements
    if sizes.long_mm is not None and sizes.short_mm is not None:
        for name, length, points, pixels in (
            (code.LONG_AXIS, sizes.long_mm, sizes.axes.long_axis, axes and axes.long_pixels),
            (code.SHORT_AXIS, sizes.short_mm, sizes.axes.short_axis, axes and axes.short_pixels),
        ):
            measured.append(_measurement(name, length, code.MILLIMETRE))
            drawn.append(_line(result, points, pixels, axes.slice_index if axes else None))
    marks = marked_axes(result)
    for mark in marks:
        slices.add(mark.slice_index)
        for measurement, line in _beside(result, mark):
            measured.append(measurement)
            drawn.append(line)
    group = hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=_region(curves[index][0], result.slices[index]),
        measurements=measured or None,
        method=code.RECIST_1_1 if sizes.long_mm is not None else None,
        **_described(result),
    )
    _draw(group, drawn)
    comments = [] if level == 0.5 else [f"The outline is where alpha is {level:.2f}."]
    if not marks:
        comments.append("There are no axes of the reader's on these slices to compare with.")
    _comment(group, result, comments)
    return PlanarGroup(group, tuple(sorted(slices)))


def volumetric_group(
    result: LesionResult, segment: MarkSource | None
) -> hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """Volumes, the interval around them, and what else is of the whole lesion.

    Without a segment the region is the outlines on all slices (PS3.16 TID 1411).
    """
    sizes = result.measurements
    method, derivation = {"method": code.HALF_OF_MASK}, {"derivation": code.MEAN}
    values = (
        (code.VOLUME, sizes.soft_volume_ml, code.MILLILITRE, {"method": code.SUM_OF_MASK}),
        (code.CORE_VOLUME, sizes.core_volume_ml, code.MILLILITRE, {}),
        (code.VOXEL_VOLUME, sizes.volume_ml, code.MILLILITRE, method),
        (code.OUTER_VOLUME, sizes.outer_volume_ml, code.MILLILITRE, {}),
        (code.MAXIMUM_3D_DIAMETER, sizes.diameter_3d_mm, code.MILLIMETRE, method),
        (code.BAND_WIDTH, sizes.band_width_mm, code.MILLIMETRE, {}),
        (code.ATTENUATION, sizes.mean_hu, code.HOUNSFIELD, derivation),
        (code.MASS, sizes.mass_mg, code.MILLIGRAM, {}),
    )
    measured = [
        _measurement(name, value, unit, **more)
        for name, value, unit, more in values
        if value is not None
    ]
    if segment is None:
        region = {
            "referenced_regions": [
                _region(curve, result.slices[index])
                for index, curves in iso_curves(result, outline_level(result)).items()
                for curve in curves
                if curve.encloses_lesion
            ]
        }
    else:
        # By hand: highdicom 0.28 can't make it of its own SEG with one segment. Without frame
        # numbers, which may not stand beside the segment's number (PS3.3 10.3).
        series = hd.sr.SourceSeriesForSegmentation(result.ct_series_instance_uid)
        region = {
            "referenced_segment": hd.sr.ReferencedSegment(
                sop_class_uid=segment.sop_class_uid,
                sop_instance_uid=segment.sop_instance_uid,
                segment_number=1,
                source_series=series,
            )
        }
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        **region,
        measurements=measured or None,
        **_described(result),
    )
    _comment(group, result, [])
    return group


def finding_of(result: LesionResult) -> CodedConcept:
    """What the mark says it measures, in public codes; else a lesion."""
    finding = result.mark.finding
    return coded(finding) if is_public(finding) else code.LESION


def sites_of(result: LesionResult) -> list[hd.sr.FindingSite] | None:
    """Where the mark says it is, in public codes."""
    site = result.mark.site
    return [hd.sr.FindingSite(coded(site))] if is_public(site) else None


def _described(result: LesionResult) -> dict:
    parameters = result.mask.parameters
    return {
        "tracking_identifier": hd.sr.TrackingIdentifier(
            uid=result.tracking_uid, identifier=result.tracking_id
        ),
        "finding_category": code.MORPHOLOGICALLY_ALTERED,
        "finding_type": finding_of(result),
        "finding_sites": sites_of(result),
        "algorithm_id": hd.sr.AlgorithmIdentification(
            name=result.mask.method,
            version=result.equipment.software_version,
            manufacturer=result.equipment.manufacturer,
            family=coded(family_of(result.mask.method)),
            parameters=[
                *(f"{name}={parameters[name]}" for name in sorted(parameters)),
                f"configuration={result.configuration_digest}",
            ],
        ),
    }


def _measurement(
    name: CodedConcept, value: float, unit: CodedConcept, **more: CodedConcept
) -> hd.sr.Measurement:
    return hd.sr.Measurement(name=name, value=round(float(value), DECIMALS), unit=unit, **more)


def _beside(result: LesionResult, mark: MarkedAxes) -> list[tuple[hd.sr.Measurement, Dataset]]:
    """The reader's lengths, and by how much ours differ, each with the line that was drawn."""
    sizes = result.measurements
    found = []
    for name, difference, points, pixels, ours in (
        (
            code.MARKED_LONG_AXIS,
            code.LONG_AXIS_DIFFERENCE,
            mark.axes.long_axis,
            mark.long_pixels,
            sizes.long_mm,
        ),
        (
            code.MARKED_SHORT_AXIS,
            code.SHORT_AXIS_DIFFERENCE,
            mark.axes.short_axis,
            mark.short_pixels,
            sizes.short_mm,
        ),
    ):
        if points is None:
            continue
        length = float(np.linalg.norm(points[1] - points[0]))
        line = _line(result, points, pixels, mark.slice_index)
        found.append((_measurement(name, length, code.MILLIMETRE), line))
        if ours is not None:
            between = round(ours, DECIMALS) - round(length, DECIMALS)
            found.append((_measurement(difference, between, code.MILLIMETRE), line))
    return found


def _line(
    result: LesionResult,
    points: npt.NDArray[np.float64],
    pixels: npt.NDArray[np.float64] | None,
    index: int | None,
) -> Dataset:
    """A line on a slice or, where it runs across slices, in space."""
    if pixels is None or index is None:
        return hd.sr.CoordinatesForMeasurement3D(
            graphic_type=hd.sr.GraphicTypeValues3D.POLYLINE,
            graphic_data=np.asarray(points),
            frame_of_reference_uid=str(result.slices[result.mask.offset[0]].FrameOfReferenceUID),
        )
    header = result.slices[index]
    return hd.sr.CoordinatesForMeasurement(
        graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.clip(pixels, 0, (int(header.Columns), int(header.Rows))),
        source_image=_source(header),
    )


def _draw(
    group: hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations, lines: Sequence[Dataset]
) -> None:
    """Put each line under its measurement.

    TID 1419 is extensible; highdicom takes no coordinates in a planar group, where all values
    would be of the region. Here they say which diameter of the region is meant.
    """
    numbers = [item for item in group[0].ContentSequence if item.ValueType == "NUM"]
    for number, line in zip(numbers, lines, strict=True):
        if "ContentSequence" not in number:
            number.ContentSequence = hd.sr.ContentSequence()
        number.ContentSequence.append(line)


def _comment(group: Sequence[Dataset], result: LesionResult, more: list[str]) -> None:
    """Say that it is research, and what a reader should know of this result."""
    texts = [f"{NOTICE}.", STARTED_BY, *more]
    if result.mask.quantity == "probability":
        texts.append(SHARE_OF_READERS)
    elif not result.mask.sums_to_volume:
        texts.append(NO_OCCUPANCY)
    texts += [f"{warning.rstrip('.')}." for warning in result.mask.warnings]
    text = hd.sr.TextContentItem(
        name=code.COMMENT,
        value=" ".join(text[:1].upper() + text[1:] for text in texts),
        relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
    )
    group[0].ContentSequence.append(text)


def _region(curve: IsoCurve, header: Dataset) -> hd.sr.ImageRegion:
    return hd.sr.ImageRegion(
        graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
        graphic_data=curve.closed,
        source_image=_source(header),
    )


def _source(header: Dataset) -> hd.sr.SourceImageForRegion:
    return hd.sr.SourceImageForRegion(
        referenced_sop_class_uid=str(header.SOPClassUID),
        referenced_sop_instance_uid=str(header.SOPInstanceUID),
    )
