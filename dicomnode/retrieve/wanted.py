"""Which series a mark's image belongs to, by what the mark's object says of the images it is on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_sequence, read_uid

_MAX_REFERENCES = 200_000
"""A structure set names each slice of a study; more than this is no description of one."""

_IMAGES = (
    "ReferencedSOPSequence",  # SR, Key Object (PS3.3 C.17.2.1)
    "ReferencedImageSequence",  # presentation state (C.11.11)
    "ReferencedInstanceSequence",  # segmentation (C.12.1.1)
    "ContourImageSequence",  # structure set (C.8.8.5)
)


@dataclass(frozen=True)
class Want:
    """What a source is asked for: a series, or an image or frame of reference whose series is not
    known yet.

    Attributes
    ----------
    study_instance_uid : str
    series_instance_uid, sop_instance_uid, frame_of_reference_uid : str or None
        One of them is set.
    sop_class_uid : str or None
        Of the images, where the object names it.
    """

    study_instance_uid: str
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None
    sop_class_uid: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        known = (self.series_instance_uid, self.sop_instance_uid, self.frame_of_reference_uid)
        if sum(uid is not None for uid in known) != 1:
            raise ValueError("a series, an image or a frame of reference is wanted, one of them")

    @property
    def words(self) -> str:
        """The same for the same images; at most 160 characters."""
        if self.series_instance_uid is not None:
            return f"series {self.series_instance_uid}"
        if self.sop_instance_uid is not None:
            return f"the series of image {self.sop_instance_uid} in study {self.study_instance_uid}"
        return (
            f"CT in reference frame {self.frame_of_reference_uid} "
            f"of study {self.study_instance_uid}"
        )


@dataclass(frozen=True)
class _Reference:
    """One image that an object refers to."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str | None


@dataclass(frozen=True)
class WantedImages:
    """Where the images are that one object refers to.

    Attributes
    ----------
    study_instance_uid : str or None
        The object's own study.
    references : mapping from SOP Instance UID
    frames : mapping from Frame of Reference UID
        To the series that the object says lie in it, each with its study.
    """

    study_instance_uid: str | None
    references: Mapping[str, _Reference]
    frames: Mapping[str, tuple[tuple[str, str], ...]]

    def of_image(self, sop_instance_uid: str) -> Want | None:
        """What to ask for where an image is wanted.

        Its series where the object names it, else the image in the object's own study; None where
        the object names no study at all.
        """
        reference = self.references.get(sop_instance_uid)
        if reference is not None:
            return Want(
                reference.study_instance_uid,
                series_instance_uid=reference.series_instance_uid,
                sop_class_uid=reference.sop_class_uid,
            )
        if self.study_instance_uid is None:
            return None
        return Want(self.study_instance_uid, sop_instance_uid=sop_instance_uid)

    def of_frame(self, frame_of_reference_uid: str, image_classes: frozenset[str]) -> Want | None:
        """What to ask for where images of a frame of reference are wanted.

        The one series that the object says lies in it, or else the only series of images that the
        object refers to. Where there are several or none, those of the study in that frame.

        Parameters
        ----------
        frame_of_reference_uid : str
        image_classes : frozenset of str
            SOP classes of images that can be marked.
        """
        series = set(self.frames.get(frame_of_reference_uid, ()))
        if not series:
            series = {
                (reference.study_instance_uid, reference.series_instance_uid)
                for reference in self.references.values()
                if reference.sop_class_uid in image_classes
            }
        if len(series) == 1:
            ((study, only),) = series
            return Want(study, series_instance_uid=only)
        studies = {study for study, _ in series}
        study = studies.pop() if len(studies) == 1 else self.study_instance_uid
        if study is None:
            return None
        return Want(study, frame_of_reference_uid=frame_of_reference_uid)

    def steps(
        self,
        sop_instance_uid: str | None,
        frame_of_reference_uid: str | None,
        image_classes: frozenset[str],
    ) -> tuple[Want, ...]:
        """What to ask for, one after the other, until a source has it.

        First the series that the object names. Where no source has that, it is looked for: the
        image in the studies that the object names and belongs to, then CT in the frame of
        reference.

        Parameters
        ----------
        sop_instance_uid, frame_of_reference_uid : str or None
            The image and the frame of reference of the mark, as far as they are known.
        image_classes : frozenset of str
            SOP classes of images that can be marked.
        """
        steps: list[Want | None] = []
        if sop_instance_uid is not None:
            steps.append(self.of_image(sop_instance_uid))
        elif frame_of_reference_uid is not None:
            steps.append(self.of_frame(frame_of_reference_uid, image_classes))
        first = steps[0] if steps else None
        studies = (first.study_instance_uid if first else None, self.study_instance_uid)
        known = [study for study in studies if study is not None]
        if sop_instance_uid is not None:
            steps += [Want(study, sop_instance_uid=sop_instance_uid) for study in known]
        if frame_of_reference_uid is not None:
            steps += [Want(study, frame_of_reference_uid=frame_of_reference_uid) for study in known]
        return tuple(dict.fromkeys(step for step in steps if step is not None))


def wanted_images(dataset: Dataset) -> WantedImages:
    """Read which images an object refers to, and in which series they are.

    Read are the evidence of reports and Key Objects (PS3.3 C.17.2.3), the referenced series of
    presentation states (C.11.11) and segmentations (C.12.1.1, with other studies in C.12.1.1.2)
    and the referenced frames of reference of structure sets (C.8.8.5). What cannot be read is left
    out.

    Parameters
    ----------
    dataset : Dataset
        Of any SOP class; may break the standard.
    """
    own_study = read_uid(dataset, "StudyInstanceUID")
    references: dict[str, _Reference] = {}
    frames: dict[str, dict[tuple[str, str], None]] = {}
    for study, frame, item in itertools.islice(_series(dataset, own_study), _MAX_REFERENCES):
        series = read_uid(item, "SeriesInstanceUID")
        if series is None:
            continue
        if frame is not None:
            frames.setdefault(frame, {})[study, series] = None
        for keyword in _IMAGES:
            for image in read_sequence(item, keyword):
                uid = read_uid(image, "ReferencedSOPInstanceUID")
                if uid is None or len(references) >= _MAX_REFERENCES:
                    continue
                sop_class = read_uid(image, "ReferencedSOPClassUID")
                references.setdefault(uid, _Reference(study, series, sop_class))
    return WantedImages(
        own_study, references, {frame: tuple(series) for frame, series in frames.items()}
    )


def _series(dataset: Dataset, own_study: str | None) -> Iterator[tuple[str, str | None, Dataset]]:
    """Yield study, frame of reference where it is told, and the item that names a series."""
    studies = [
        *read_sequence(dataset, "CurrentRequestedProcedureEvidenceSequence"),
        *read_sequence(dataset, "PertinentOtherEvidenceSequence"),
        *read_sequence(dataset, "StudiesContainingOtherReferencedInstancesSequence"),
    ]
    for item in studies:
        study = read_uid(item, "StudyInstanceUID")
        if study is not None:
            for series in read_sequence(item, "ReferencedSeriesSequence"):
                yield study, None, series
    if own_study is not None:
        for series in read_sequence(dataset, "ReferencedSeriesSequence"):
            yield own_study, None, series
    for place in read_sequence(dataset, "ReferencedFrameOfReferenceSequence"):
        frame = read_uid(place, "FrameOfReferenceUID")
        for item in read_sequence(place, "RTReferencedStudySequence"):
            # The study is referred to as an instance of a retired class, whose UID is the study's.
            study = read_uid(item, "ReferencedSOPInstanceUID") or own_study
            if study is not None:
                for series in read_sequence(item, "RTReferencedSeriesSequence"):
                    yield study, frame, series
