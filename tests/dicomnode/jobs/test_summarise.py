"""Lesions of one series are summed up from slices that are read once."""

from __future__ import annotations

import pydicom

from dicomnode.frames import read_headers
from dicomnode.jobs.publish import LesionFiles
from dicomnode.jobs.summarise import SummaryRequest, SummaryVariant, summarise
from dicomnode.jobs.variants import Variant
from dicomnode.marks import read_marks
from dicomnode.marks.lesion_mark import LesionMark
from pipelines.lesion import soft_mask_from_recist
from tests.dicomnode.studies import save, study


def test_headers_of_slices_that_lesions_share_are_read_once(tmp_path, monkeypatch):
    made = study("summed up", centres=((12, 20, 20), (12, 44, 44)))
    *images, source = (one.path for one in save([*made.ct, made.report], tmp_path))
    lesions = []
    for number, mark in enumerate(read_marks(made.report).marks, start=1):
        mask = soft_mask_from_recist(made.volume, made.axes[number - 1])
        path = tmp_path / f"{number}.npz"
        with path.open("wb") as file:
            mask.save(file)
        lesions.append(LesionFiles(tuple(images), path, LesionMark.of(mark), (source,), number))
    read = []

    def counted(slices):
        read.extend(slices)
        return read_headers(slices)

    for module in ("publish", "summarise"):
        monkeypatch.setattr(f"dicomnode.jobs.{module}.read_headers", counted)
    wanted = SummaryVariant(Variant("rtstruct", 7300, (), ("pacs",)), ((), ()), (), (0, 1))
    (summary,) = summarise(SummaryRequest(tuple(lesions), (wanted,), tmp_path))
    assert sorted(read) == sorted(images)
    regions = pydicom.dcmread(summary.path).StructureSetROISequence
    assert {region.ROIName.split(" alpha")[0] for region in regions} == {"Lesion 1", "Lesion 2"}
