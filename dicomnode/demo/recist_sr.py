"""RECIST marks written out as a TID 1500 report: for the demonstration, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import highdicom as hd
import numpy as np
import numpy.typing as npt
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicomnode.marks.placement import ImagePlane
from dicomnode.results.uids import derive_uid
from pipelines.recist import RecistAxes


class Finding(Enum):
    """What a mark says it measures."""

    LESION = CodedConcept("52988006", "SCT", "Lesion")
    NODULE = CodedConcept("27925004", "SCT", "Nodule")


class Coordinates(Enum):
    """How a report holds the points of its marks."""

    PIXELS = "SCOORD on the nearest slice"
    SPACE = "SCOORD3D in the frame of reference"


@dataclass(frozen=True, eq=False)
class DrawnMark:
    """One mark to write.

    Attributes
    ----------
    axes : RecistAxes
        LPS mm, in the frame of reference of the CT.
    tracking_id : str
        Name of the lesion, part of its tracking UID.
    finding : Finding
        Written as the group's finding; the site is always the lung.
    """

    axes: RecistAxes
    tracking_id: str
    finding: Finding = Finding.LESION


def recist_report(
    marks: Sequence[DrawnMark],
    ct: Sequence[Dataset],
    seed: str,
    *,
    coordinates: Coordinates = Coordinates.PIXELS,
    comprehensive_3d: bool = True,
    series_number: int = 50,
) -> hd.sr.Comprehensive3DSR | hd.sr.ComprehensiveSR:
    """Write marks as one report with a measurement group for each (PS3.16 TID 1500, TID 1501).

    Parameters
    ----------
    marks : sequence of DrawnMark
        At least one.
    ct : sequence of Dataset
        Slices of the CT series that the marks lie in.
    seed : str
        Text that the report's UIDs and the tracking UIDs are derived from.
    coordinates : Coordinates
        `SPACE` is possible in Comprehensive 3D SR only.
    comprehensive_3d : bool
        Comprehensive 3D SR, or else Comprehensive SR.
    series_number : int
        Number of the report's series.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR or highdicom.sr.ComprehensiveSR
        In the study of the CT, unverified.

    Raises
    ------
    ValueError
        If there are no marks, no slices, a mark is further from every slice than the slices are
        from each other, or Comprehensive SR is asked to hold points in space.
    """
    if not marks or not ct:
        raise ValueError(f"found {len(marks)} marks on {len(ct)} slices, expected some of each")
    if coordinates is Coordinates.SPACE and not comprehensive_3d:
        raise ValueError("Comprehensive SR holds no SCOORD3D (PS3.3 A.35.3.3.1)")
    planes = [ImagePlane.from_dataset(dataset) for dataset in ct]
    groups, drawn_on = [], {}
    for mark in marks:
        index = nearest_slice(mark.axes, planes)
        drawn_on[index] = ct[index]
        groups.append(_group(mark, planes[index], ct[index], coordinates, seed))
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name="SYNTHETIC^READER"
        ),
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_person_context=observer),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    kind = hd.sr.Comprehensive3DSR if comprehensive_3d else hd.sr.ComprehensiveSR
    return kind(
        evidence=[drawn_on[index] for index in sorted(drawn_on)],
        content=content[0],
        series_instance_uid=derive_uid(seed, "report series", series_number),
        series_number=series_number,
        sop_instance_uid=derive_uid(seed, "report", series_number, coordinates.name, kind.__name__),
        instance_number=1,
        manufacturer="softmask-node",
        manufacturer_model_name="phantom writer",
        series_description="RECIST marks",
        is_complete=True,
    )


def nearest_slice(axes: RecistAxes, planes: Sequence[ImagePlane]) -> int:
    """Index of the plane that the points of a mark are nearest to.

    Raises
    ------
    ValueError
        If there are several planes and the nearest is further away than they are apart.
    """
    points = _points(axes)
    distances = np.array([plane.distance_mm(points).mean() for plane in planes])
    nearest = int(distances.argmin())
    if len(planes) > 1:
        others = [plane.position for i, plane in enumerate(planes) if i != nearest]
        gap = float(planes[nearest].distance_mm(others).min())
        if distances[nearest] > gap:
            raise ValueError(
                f"the nearest slice is {distances[nearest]:.1f} mm off the mark, the slices are "
                f"{gap:.1f} mm apart"
            )
    return nearest


def _points(axes: RecistAxes) -> npt.NDArray[np.float64]:
    return np.concatenate([a for a in (axes.long_axis, axes.short_axis) if a is not None])


def _group(
    mark: DrawnMark, plane: ImagePlane, image: Dataset, coordinates: Coordinates, seed: str
) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    lengths = [(codes.SCT.LongAxis, mark.axes.long_axis, mark.axes.long_mm)]
    if mark.axes.short_axis is not None:
        lengths.append((codes.SCT.ShortAxis, mark.axes.short_axis, mark.axes.short_mm))
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=derive_uid(seed, "tracking", mark.tracking_id), identifier=mark.tracking_id
        ),
        finding_type=mark.finding.value,
        finding_sites=[hd.sr.FindingSite(anatomic_location=codes.SCT.Lung)],
        measurements=[
            hd.sr.Measurement(
                name=name,
                value=round(length, 4),
                unit=codes.UCUM.Millimeter,
                referenced_coordinates=[_line(points, plane, image, coordinates)],
            )
            for name, points, length in lengths
        ],
    )


def _line(
    points: npt.NDArray[np.float64], plane: ImagePlane, image: Dataset, coordinates: Coordinates
) -> hd.sr.CoordinatesForMeasurement | hd.sr.CoordinatesForMeasurement3D:
    if coordinates is Coordinates.SPACE:
        return hd.sr.CoordinatesForMeasurement3D(
            graphic_type=hd.sr.GraphicTypeValues3D.POLYLINE,
            graphic_data=points,
            frame_of_reference_uid=image.FrameOfReferenceUID,
        )
    return hd.sr.CoordinatesForMeasurement(
        graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
        graphic_data=plane.to_pixel(points),
        source_image=hd.sr.SourceImageForRegion(
            referenced_sop_class_uid=image.SOPClassUID,
            referenced_sop_instance_uid=image.SOPInstanceUID,
        ),
    )
