"""All that the result objects of one lesion are made of, and the identity that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydicom.dataset import Dataset

from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.results.source_frames import StandIns
from dicomnode.results.uids import derive_uid
from pipelines.measurements import Measurements
from pipelines.soft_mask import SoftMask


@dataclass(frozen=True)
class Equipment:
    """What made the object (PS3.3 C.7.5.1 and C.7.5.2)."""

    software_version: str
    manufacturer: str = "softmask-node"
    model_name: str = "softmask-node"
    serial_number: str = "0"


@dataclass(frozen=True)
class MarkSource:
    """An object that a result refers to: what held the mark, or another result."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str

    @classmethod
    def of(cls, named: Dataset) -> MarkSource:
        """Name an object by its header."""
        return cls(
            str(named.SOPClassUID),
            str(named.SOPInstanceUID),
            str(named.StudyInstanceUID),
            str(named.SeriesInstanceUID),
        )


@dataclass(frozen=True)
class ResultUids:
    """UIDs of one result, all functions of its inputs."""

    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, eq=False)
class LesionResult:
    """One segmented lesion, before it becomes objects.

    Attributes
    ----------
    mask : SoftMask
        Alpha on a crop of the volume that `slices` form; `mask.offset` says where.
    slices : sequence of Dataset
        Headers of all slices of that volume, in its order, each with a UID of its own, without
        need of pixel data.
    mark : LesionMark
        Gives tracking, finding and site, and part of each UID.
    measurements : Measurements
        Of `mask`.
    configuration_digest : str
        Digest of all that, beside the voxels and the mark, decides the soft mask.
    equipment : Equipment
    mark_sources : tuple of MarkSource
        The objects that held the mark; referenced by what is made.
    stand_ins : StandIns
        Which of `slices` stand for frames of an enhanced CT; what is made of them names the frames
        (`stand_in`, `name_frames`).
    number : int
        Of the lesion among those of its CT; the instance number of its objects.
    """

    mask: SoftMask
    slices: Sequence[Dataset]
    mark: LesionMark
    measurements: Measurements
    configuration_digest: str
    equipment: Equipment
    mark_sources: tuple[MarkSource, ...] = ()
    stand_ins: StandIns = field(default_factory=StandIns)
    number: int = 1

    @property
    def study_instance_uid(self) -> str:
        """The study of the CT."""
        return str(self.slices[self.mask.offset[0]].StudyInstanceUID)

    @property
    def ct_series_instance_uid(self) -> str:
        """The series of the CT."""
        return str(self.slices[self.mask.offset[0]].SeriesInstanceUID)

    @property
    def tracking_id(self) -> str:
        """That of the mark; a mark without one gets one that all its results share."""
        return self.mark.tracking_id or f"mark {self.mark.key[:16]}"

    @property
    def tracking_uid(self) -> str:
        """That of the mark; a mark without one gets one that all its results share."""
        return self.mark.tracking_uid or derive_uid("tracking", self.mark.key)

    def index_of(self, sop_instance_uid: str | None, frame: int | None) -> int | None:
        """Index in `slices` of the image, or frame of it, that a mark names; None for another."""
        return self._indices.get((sop_instance_uid, frame or 1))

    @cached_property
    def _indices(self) -> dict[tuple[str, int], int]:
        return {self.stand_ins.named_as(header): i for i, header in enumerate(self.slices)}

    def uids(self, rung: str, options: Sequence[str] = (), part: str = "") -> ResultUids:
        """UIDs of one object of this lesion, known before it is made: twins can refer to it.

        Each lesion has a series of its own for each rung: OHIF opens one segmentation, map or
        structure set of a series and leaves the others. So has each set of options, for what a
        series is called may be one of them. A repeat with the same mark, CT series, method,
        configuration and options gives the same instance.

        Parameters
        ----------
        rung : str
            The kind of object, such as "seg".
        options : sequence of str
            `options_in_uids` of the rung's settings.
        part : str
            Which one, of a rung that makes several objects of a lesion.
        """
        study, series = self.study_instance_uid, self.ct_series_instance_uid
        method, digest = self.mask.method, self.configuration_digest
        return ResultUids(
            derive_uid(f"{rung} series", study, series, method, self.mark.key, *options),
            derive_uid(rung, self.mark.key, series, method, digest, *options, part),
        )
