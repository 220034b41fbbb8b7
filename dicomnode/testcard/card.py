"""The study of the test card: its CT, the report that marks its shapes, and what results hold."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.marks import read_marks
from dicomnode.marks.lesion_mark import LesionMark, lesions_of
from dicomnode.results.lesion_result import Equipment, LesionResult, MarkSource
from dicomnode.testcard.phantom import (
    SHAPE,
    WINDOW_CENTRE,
    WINDOW_WIDTH,
    Shape,
    phantom_volume,
    shapes,
)
from dicomnode.version import VERSION
from pipelines.longest_axes import axes_from_mask
from pipelines.measure import measure
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN, SoftMask

METHOD = "testcard"
"""Stands where results name their method: nothing is computed, every alpha is drawn."""

SEED = "test card 1"
"""Of all UIDs. Another phantom needs another number: a PACS keeps the one that it has."""


@dataclass(frozen=True, eq=False)
class Card:
    """One study, the same at every call.

    Attributes
    ----------
    shapes : tuple of Shape
    volume : highdicom.Volume
        HU of the CT.
    ct : tuple of Dataset
    report : Dataset
        With a long and a short axis for each shape; what results refer to as the mark's object.
    lesions : tuple of LesionResult
        One a shape, in the order of `shapes`.
    """

    shapes: tuple[Shape, ...]
    volume: hd.Volume
    ct: tuple[Dataset, ...]
    report: Dataset
    lesions: tuple[LesionResult, ...]

    @property
    def study_instance_uid(self) -> str:
        """Of every object."""
        return str(self.ct[0].StudyInstanceUID)


def card() -> Card:
    """Make the study of the test card; every mark is read from its report by the node's reader."""
    mattes = shapes()
    volume = phantom_volume(mattes)
    said = {
        "PatientName": "TESTCARD^RESEARCH",
        "PatientID": "TESTCARD",
        "WindowCenter": str(WINDOW_CENTRE),
        "WindowWidth": str(WINDOW_WIDTH),
    }
    description = CtSeriesDescription(
        SEED,
        study_description="Test card RESEARCH, not a patient",
        series_description="Test card CT",
    )
    ct = ct_series(volume, description, {index: said for index in range(SHAPE[0])})
    marks = [
        DrawnMark(axes_from_mask(matte.alpha >= 0.5, volume.get_geometry()), matte.name)
        for matte in mattes
    ]
    report = recist_report(marks, ct, SEED)
    by_name = {mark.tracking_id: mark for mark in lesions_of(read_marks(report))}
    lesions = tuple(
        _lesion(matte, volume, ct, report, by_name[matte.name], number)
        for number, matte in enumerate(mattes, start=1)
    )
    return Card(mattes, volume, tuple(ct), report, lesions)


def _lesion(
    matte: Shape,
    volume: hd.Volume,
    ct: list[Dataset],
    report: Dataset,
    mark: LesionMark,
    number: int,
) -> LesionResult:
    alpha = matte.alpha[matte.box]
    grid = volume[matte.box]
    trimap = np.select([alpha == 0, alpha == 1], [BACKGROUND, FOREGROUND], UNKNOWN)
    mask = SoftMask(
        alpha=grid.with_array(alpha),
        trimap=grid.with_array(trimap.astype(np.uint8)),
        method=METHOD,
        parameters={"shape": matte.name},
        offset=tuple(side.start for side in matte.box),
    )
    source = MarkSource(
        str(report.SOPClassUID),
        str(report.SOPInstanceUID),
        str(report.StudyInstanceUID),
        str(report.SeriesInstanceUID),
    )
    return LesionResult(
        mask=mask,
        slices=ct,
        mark=mark,
        measurements=measure(mask, volume),
        configuration_digest=SEED.replace(" ", "-"),
        equipment=Equipment(software_version=VERSION),
        mark_sources=(source,),
        number=number,
    )
