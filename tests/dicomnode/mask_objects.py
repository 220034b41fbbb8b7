"""Objects that hold readers' masks of a synthetic study: RTSTRUCT, SEG and GSPS."""

from __future__ import annotations

from collections.abc import Sequence

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.results import derive_uid
from tests.dicomnode.presentation_states import graphic, presentation_state
from tests.dicomnode.studies import SHAPE, SPACING, Study

RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_OF_STUDY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID")
_EQUIPMENT = {
    "manufacturer": "m",
    "manufacturer_model_name": "m",
    "software_versions": "1",
    "device_serial_number": "1",
}


def ball(
    centre: Sequence[float] = (12, 32, 32), diameter_mm: float = 12.0, shape=SHAPE
) -> np.ndarray:
    """Mask of a ball around `centre` (indices) on the grid of a study."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return np.linalg.norm((grid - np.asarray(centre)) * SPACING, axis=-1) <= diameter_mm / 2


def circles(
    made: Study, centre: Sequence[float] = (12, 32, 32), diameter_mm: float = 12.0, every: int = 1
) -> list[np.ndarray]:
    """Outlines of the same ball, shape (32, 3) each, LPS mm, on every so-many-th slice."""
    found = []
    for index in range(0, SHAPE[0], every):
        away = (index - centre[0]) * SPACING[0]
        if abs(away) < diameter_mm / 2 - 0.5:
            radius = np.sqrt((diameter_mm / 2) ** 2 - away**2)
            angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
            around = np.stack(
                [
                    np.full(32, float(index)),
                    centre[1] + radius / SPACING[1] * np.sin(angle),
                    centre[2] + radius / SPACING[2] * np.cos(angle),
                ],
                axis=1,
            )
            found.append(made.volume.map_indices_to_reference(around))
    return found


def structure_set(
    made: Study,
    regions: Sequence[Sequence[np.ndarray]],
    seed: str = "structures",
    *,
    types: Sequence[str] = (),
    series: str | None = None,
    names_images: bool = True,
) -> Dataset:
    """An RT Structure Set with one region for each list of contours."""
    ct = made.ct
    dataset = Dataset()
    for keyword in _OF_STUDY:
        setattr(dataset, keyword, ct[0].get(keyword))
    dataset.SOPClassUID = RTSTRUCT
    dataset.SOPInstanceUID = derive_uid("test", seed, ct[0].StudyInstanceUID)
    dataset.SeriesInstanceUID = series or derive_uid("test series", seed)
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetLabel = "MARKS"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    dataset.RTROIObservationsSequence = []
    heights = [float(image.ImagePositionPatient[2]) for image in ct]
    for number, contours in enumerate(regions, start=1):
        roi, drawn, observed = Dataset(), Dataset(), Dataset()
        roi.ROINumber = drawn.ReferencedROINumber = observed.ReferencedROINumber = number
        roi.ReferencedFrameOfReferenceUID = ct[0].FrameOfReferenceUID
        observed.ObservationNumber = number
        observed.RTROIInterpretedType = types[number - 1] if types else "GTV"
        drawn.ContourSequence = []
        for points in contours:
            item = Dataset()
            item.ContourGeometricType = "CLOSED_PLANAR"
            item.NumberOfContourPoints = len(points)
            item.ContourData = [round(float(value), 3) for value in np.ravel(points)]
            if names_images:
                image = ct[int(np.argmin(np.abs(np.array(heights) - points[0, 2])))]
                reference = Dataset()
                reference.ReferencedSOPClassUID = image.SOPClassUID
                reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
                item.ContourImageSequence = [reference]
            drawn.ContourSequence.append(item)
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
        dataset.RTROIObservationsSequence.append(observed)
    return with_meta(dataset)


def segmentation(
    ct: Sequence[Dataset],
    masks: Sequence[np.ndarray],
    seed: str = "segments",
    *,
    kind: str = "BINARY",
    anatomy: bool = False,
    series: str | None = None,
    tracking: str | None = None,
) -> hd.seg.Segmentation:
    """A SEG with one segment for each mask on `ct`."""
    category = (
        codes.SCT.AnatomicalStructure if anatomy else codes.SCT.MorphologicallyAbnormalStructure
    )
    descriptions = [
        hd.seg.SegmentDescription(
            number,
            f"segment {number}",
            category,
            codes.SCT.Lung if anatomy else codes.SCT.Nodule,
            "MANUAL",
            tracking_uid=tracking or derive_uid("tracking", seed, number),
            tracking_id=f"T{number}",
        )
        for number in range(1, len(masks) + 1)
    ]
    pixels = np.stack(masks, axis=-1)
    if kind == "LABELMAP":
        pixels = (pixels * np.arange(1, len(masks) + 1)).max(axis=-1)
    return hd.seg.Segmentation(
        list(ct),
        pixels.astype(np.float32 if kind == "FRACTIONAL" else np.uint8),
        kind,
        descriptions,
        series_instance_uid=series or derive_uid("test series", seed),
        series_number=5,
        sop_instance_uid=derive_uid("test", seed),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **_EQUIPMENT,
    )


def without_derivation(seg: Dataset) -> Dataset:
    """The same as dcmjs leaves it: frames have positions and name no image."""
    for frame in seg.PerFrameFunctionalGroupsSequence:
        del frame.DerivationImageSequence
    return seg


def curves(
    made: Study, contours: Sequence[np.ndarray], seed: str = "graphics"
) -> hd.pr.GrayscaleSoftcopyPresentationState:
    """A GSPS with the closed curve of each contour on its slice."""
    drawn, images = [], []
    for points in contours:
        indices = made.volume.map_reference_to_indices(points)
        images.append(made.ct[round(float(indices[0, 0]))])
        pixels = indices[:, [2, 1]] + 0.5
        drawn.append([graphic(np.concatenate([pixels, pixels[:1]]))])
    return presentation_state(
        images,
        *drawn,
        on=[[image] for image in images],
        series_uid=derive_uid("test series", seed),
        uid=derive_uid("test", seed),
    )


def with_meta(dataset: Dataset) -> Dataset:
    """Ready to be written to a file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
