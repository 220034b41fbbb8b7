"""Enhanced CT objects made of the slices of a synthetic study, for tests."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, ExplicitVRLittleEndian

from dicomnode.results import derive_uid

_OF_SERIES = (
    "SpecificCharacterSet",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyDescription",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "PatientPosition",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)
_TYPE = ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")


@dataclass(frozen=True, eq=False)
class FrameOf:
    """One frame to write: a single-frame slice, and what a frame says beyond it.

    `slope` and `intercept` change the stored values so that HU stay the same; `slope` None leaves
    the Pixel Value Transformation out.
    """

    image: Dataset
    stack: str = "1"
    position: int | None = None
    time: int | None = 1
    kind: tuple[str, ...] = _TYPE
    technique: str = "NONE"
    kernel: str = "SOFT"
    slope: float | None = 1.0
    intercept: float = 0.0
    rescale_type: str = "HU"
    extra: dict[str, object] = field(default_factory=dict)


def frames_of(ct: Sequence[Dataset], **more: object) -> list[FrameOf]:
    """Frames of a stack, numbered along the series."""
    return [FrameOf(image, position=i, **more) for i, image in enumerate(ct, start=1)]


def enhanced_ct(
    frames: Sequence[FrameOf],
    seed: str = "enhanced",
    *,
    number: int = 1,
    part: tuple[int, int] | None = None,
    offset: int | None = None,
    series: str | None = None,
) -> Dataset:
    """An Enhanced CT (PS3.3 A.38) with these frames in this order.

    `part` makes it that part (from 1) of a concatenation of so many, with `offset` frames before
    it; without, all parts have as many frames as this one.
    """
    first = frames[0].image
    made = Dataset()
    for keyword in _OF_SERIES:
        if keyword in first:
            made[keyword] = copy.deepcopy(first[keyword])
    study = first.StudyInstanceUID
    made.SOPClassUID = EnhancedCTImageStorage
    made.SOPInstanceUID = derive_uid("enhanced", seed, study, number, str(part))
    made.SeriesInstanceUID = series or derive_uid("enhanced series", seed, study)
    made.InstanceNumber = number if part is None else part[0]
    made.ImageType = list(_TYPE)
    made.VolumetricProperties = "VOLUME"
    made.VolumeBasedCalculationTechnique = "NONE"
    made.PixelPresentation = "MONOCHROME"
    made.PresentationLUTShape = "IDENTITY"
    made.ContentQualification = "RESEARCH"
    made.LossyImageCompression = "00"
    made.BurnedInAnnotation = "NO"
    made.AcquisitionContextSequence = []
    made.AcquisitionDateTime = "20200101120000"
    made.ContentDate, made.ContentTime = "20200101", "120000"
    made.AcquisitionNumber = 1
    made.NumberOfFrames = len(frames)
    made.SharedFunctionalGroupsSequence = [_shared(first)]
    made.PerFrameFunctionalGroupsSequence = [_own(frame) for frame in frames]
    _dimensions(made, seed)
    if part is not None:
        made.ConcatenationUID = derive_uid("concatenation", seed, study, number)
        made.InConcatenationNumber, made.InConcatenationTotalNumber = part
        before = (part[0] - 1) * len(frames) if offset is None else offset
        made.ConcatenationFrameOffsetNumber = before
        made.SOPInstanceUIDOfConcatenationSource = derive_uid("source", seed, study, number)
    made.PixelData = b"".join(_stored(frame) for frame in frames)
    made["PixelData"].VR = "OW"
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def hounsfield(image: Dataset) -> np.ndarray:
    """HU of a single-frame slice, as `ct_series` stores them."""
    return np.frombuffer(image.PixelData, "<i2").reshape(image.Rows, image.Columns)


def _item(**values: object) -> Dataset:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def _shared(image: Dataset) -> Dataset:
    lung = _item(CodeValue="39607008", CodingSchemeDesignator="SCT", CodeMeaning="Lung")
    return _item(
        PixelMeasuresSequence=[
            _item(PixelSpacing=image.PixelSpacing, SliceThickness=image.SliceThickness)
        ],
        PlaneOrientationSequence=[_item(ImageOrientationPatient=image.ImageOrientationPatient)],
        FrameAnatomySequence=[_item(FrameLaterality="B", AnatomicRegionSequence=[lung])],
        FrameVOILUTSequence=[_item(WindowCenter="-600", WindowWidth="1500")],
    )


def _own(frame: FrameOf) -> Dataset:
    content = _item(
        FrameAcquisitionDateTime="20200101120000",
        FrameReferenceDateTime="20200101120000",
        FrameAcquisitionDuration=500.0,
        FrameAcquisitionNumber=1,
        StackID=frame.stack,
        DimensionIndexValues=[1, 1, 1],
    )
    if frame.position is not None:
        content.InStackPositionNumber = frame.position
        content.DimensionIndexValues = [1, frame.position, frame.time or 1]
    if frame.time is not None:
        content.TemporalPositionIndex = frame.time
    group = _item(
        FrameContentSequence=[content],
        PlanePositionSequence=[_item(ImagePositionPatient=frame.image.ImagePositionPatient)],
        CTImageFrameTypeSequence=[
            _item(
                FrameType=list(frame.kind),
                PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME",
                VolumeBasedCalculationTechnique=frame.technique,
            )
        ],
        CTReconstructionSequence=[_item(ConvolutionKernel=frame.kernel)],
    )
    if frame.slope is not None:
        group.PixelValueTransformationSequence = [
            _item(
                RescaleIntercept=str(frame.intercept),
                RescaleSlope=str(frame.slope),
                RescaleType=frame.rescale_type,
            )
        ]
    for keyword, value in frame.extra.items():
        setattr(group, keyword, value)
    return group


def _dimensions(made: Dataset, seed: str) -> None:
    uid = derive_uid("enhanced dimensions", seed)
    made.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=uid)]
    made.DimensionIndexSequence = [
        _item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=0x00209111,
        )
        for pointer in (0x00209056, 0x00209057, 0x00209128)
    ]


def _stored(frame: FrameOf) -> bytes:
    hu = hounsfield(frame.image).astype(np.float64)
    stored = np.rint((hu - frame.intercept) / (frame.slope or 1.0))
    return stored.astype("<i2").tobytes()


def naming_frames(
    marks: Dataset, made: Sequence[Dataset], frames: Sequence[FrameOf | None]
) -> Dataset:
    """A report, presentation state, structure set or SEG on slices, made to name frames instead.

    `made` are the enhanced objects that hold `frames`, in this order; None is a frame that is not
    to be named.
    """
    owners = [(image, n) for image in made for n in range(1, image.NumberOfFrames + 1)]
    of_slice = {
        frame.image.SOPInstanceUID: owner
        for frame, owner in zip(frames, owners, strict=True)
        if frame is not None
    }
    series = {frame.image.SeriesInstanceUID for frame in frames if frame is not None}
    changed = copy.deepcopy(marks)
    changed.SOPInstanceUID = derive_uid("naming", marks.SOPInstanceUID, made[0].SOPInstanceUID)
    changed.file_meta.MediaStorageSOPInstanceUID = changed.SOPInstanceUID
    for item in _items(changed):
        if item.get("ReferencedSOPInstanceUID") in of_slice:
            image, number = of_slice[item.ReferencedSOPInstanceUID]
            item.ReferencedSOPClassUID = image.SOPClassUID
            item.ReferencedSOPInstanceUID = image.SOPInstanceUID
            item.ReferencedFrameNumber = number
        if item.get("SeriesInstanceUID") in series:
            item.SeriesInstanceUID = made[0].SeriesInstanceUID
    return changed


def naming_the_whole(marks: Dataset, parts: Sequence[Dataset]) -> Dataset:
    """Marks on parts of a concatenation, made to name the image that they were made of."""
    by_uid = {part.SOPInstanceUID: part for part in parts}
    changed = copy.deepcopy(marks)
    changed.SOPInstanceUID = derive_uid("naming the whole", marks.SOPInstanceUID)
    changed.file_meta.MediaStorageSOPInstanceUID = changed.SOPInstanceUID
    for item in _items(changed):
        part = by_uid.get(item.get("ReferencedSOPInstanceUID"))
        if part is not None:
            item.ReferencedSOPInstanceUID = part.SOPInstanceUIDOfConcatenationSource
            if "ReferencedFrameNumber" in item:
                item.ReferencedFrameNumber += part.ConcatenationFrameOffsetNumber
    return changed


def _items(dataset: Dataset) -> Iterator[Dataset]:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)
