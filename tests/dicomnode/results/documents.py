"""What tests of reports, contours and pointers look at."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks import ImagePlane
from dicomnode.marks.rasterise import ImageSlice, rasterise
from dicomnode.results import LADDER, MarkSource
from tests.dicomnode.results.lesions import (
    file_of,
    lesion_result,
    soft_mask,
)

DOCUMENTS = ("report", "ohif-report", "iso-contours", "rtstruct", "key-object")
WRITTEN_WHEN = ("Date", "Time")
OBLIQUE = Rotation.from_euler("xyz", (0.1, 0.2, 0.3))
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
SR = "1.2.840.10008.5.1.4.1.1.88.34"


def twins_of(result) -> list[MarkSource]:
    study = result.study_instance_uid
    return [
        MarkSource(SR, "1.2.81.1", study, "1.2.81"),
        MarkSource(SEG, "1.2.80.1", study, "1.2.80"),
    ]


def made(name, result, twins=(), **changes) -> Dataset:
    """What a rung makes of one lesion."""
    rung = LADDER[name]
    if rung.of == "series":
        return rung.make([result], rung.settings(**changes), twins=[list(twins)])
    return rung.make(result, rung.settings(**changes), twins=list(twins))


def saved(dataset: Dataset) -> Dataset:
    return pydicom.dcmread(file_of(dataset))


def groups_of(document: Dataset) -> tuple[list, list]:
    content = hd.sr.srread(file_of(document)).content
    return content.get_planar_roi_measurement_groups(), (
        content.get_volumetric_roi_measurement_groups()
    )


def values_of(group) -> dict[str, float]:
    return {m.name.value: m.value for m in group.get_measurements()}


def comment_of(group) -> str:
    (text,) = [
        item.TextValue
        for item in group[0].ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "121106"
    ]
    return text


def result_on(ct_volume, alpha, **changes):
    ct = ct_series(ct_volume, CtSeriesDescription("documents"))
    return lesion_result(soft_mask(ct_volume, alpha), ct, **changes)


def images_of(result) -> list[ImageSlice]:
    return [ImageSlice(s.SOPInstanceUID, ImagePlane.from_dataset(s)) for s in result.slices]


def filled(outline, result) -> np.ndarray:
    """The voxels within an outline, as our own reader of marks has them, on the whole CT."""
    return rasterise(outline, images_of(result))


def above(result, level) -> np.ndarray:
    first = result.slices[0]
    mask = np.zeros((len(result.slices), first.Rows, first.Columns), bool)
    alpha, offset = result.mask.alpha.array, result.mask.offset
    box = tuple(slice(o, o + n) for o, n in zip(offset, alpha.shape, strict=True))
    mask[box] = alpha >= level
    return mask
