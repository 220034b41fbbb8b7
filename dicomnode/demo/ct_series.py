"""A volume of HU written out as a CT series: for the demonstration, benchmarks and tests."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import format_number_as_ds

from dicomnode.results.uids import derive_uid


@dataclass(frozen=True)
class CtSeriesDescription:
    """What a written series says of itself.

    Attributes
    ----------
    seed : str
        Text that all UIDs and the patient ID are derived from; the same seed and `series_number`
        give the same UIDs. Series of the same seed are one study in one frame of reference.
    series_number : int
        Number of the series, part of its UID.
    study_description, series_description, body_part : str
        As the attributes of these names.
    """

    seed: str
    series_number: int = 2
    study_description: str = "Synthetic chest CT"
    series_description: str = "Phantom"
    body_part: str = "CHEST"


def ct_series(
    volume: hd.Volume,
    description: CtSeriesDescription,
    overrides: Mapping[int, Mapping[str, Any]] | None = None,
) -> list[Dataset]:
    """Write a volume as single-frame CT Image Storage instances (PS3.3 A.3).

    Parameters
    ----------
    volume : highdicom.Volume, shape (slices, rows, columns)
        HU, within int16; any orientation and spacing. Its own frame of reference is kept.
    description : CtSeriesDescription
        Seed of the UIDs, and the texts.
    overrides : mapping, optional
        Of a slice index, the attributes (keyword to value) to set at last; None as a value removes
        the attribute. Makes faulty series for tests.

    Returns
    -------
    list of Dataset
        In the volume's order, with file meta (Explicit VR Little Endian), of an obviously
        synthetic patient.

    Raises
    ------
    ValueError
        If the array is not 3D or has values that int16 cannot hold.
    """
    array = np.asarray(volume.array)
    if array.ndim != 3:
        raise ValueError(f"found an array of shape {array.shape}, expected (slices, rows, columns)")
    if array.min() < -32768 or array.max() > 32767:
        raise ValueError(f"found HU from {array.min()} to {array.max()}, expected int16")
    voxels = np.round(array).astype("<i2")
    shared = _shared_attributes(volume, description)
    datasets = []
    for index in range(len(voxels)):
        dataset = _instance(shared, volume, voxels[index], index, description)
        for keyword, value in (overrides or {}).get(index, {}).items():
            if value is None:
                if keyword in dataset:
                    delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
        datasets.append(dataset)
    return datasets


def save_series(datasets: Sequence[Dataset], folder: Path) -> list[Path]:
    """Write each instance to ``folder/<SOP Instance UID>.dcm`` and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for dataset in datasets:
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _decimals(values: Sequence[float] | np.ndarray) -> list[str]:
    """Numbers as decimal strings of at most 16 characters, rounded as little as that allows."""
    return [format_number_as_ds(float(value) + 0.0) for value in values]


def _shared_attributes(volume: hd.Volume, description: CtSeriesDescription) -> Dataset:
    """Attributes that all instances of the series have in common."""
    seed = description.seed
    shared = Dataset()
    shared.SpecificCharacterSet = "ISO_IR 192"
    shared.SOPClassUID = CTImageStorage
    shared.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]

    shared.PatientName = "SYNTHETIC^PHANTOM"
    shared.PatientID = "SYNTHETIC-" + derive_uid(seed, "patient")[-8:]
    shared.PatientBirthDate = ""
    shared.PatientSex = "O"

    shared.StudyInstanceUID = derive_uid(seed, "study")
    shared.StudyDate = "20200101"
    shared.StudyTime = "120000"
    shared.StudyID = "1"
    shared.AccessionNumber = ""
    shared.ReferringPhysicianName = ""
    shared.StudyDescription = description.study_description

    shared.Modality = "CT"
    shared.SeriesInstanceUID = derive_uid(seed, "series", description.series_number)
    shared.SeriesNumber = description.series_number
    shared.SeriesDate = "20200101"
    shared.SeriesTime = "120000"
    shared.SeriesDescription = description.series_description
    shared.BodyPartExamined = description.body_part
    shared.PatientPosition = "HFS"

    shared.FrameOfReferenceUID = volume.frame_of_reference_uid or derive_uid(seed, "space")
    shared.PositionReferenceIndicator = ""

    shared.Manufacturer = "softmask-node"
    shared.ManufacturerModelName = "phantom writer"
    shared.DeviceSerialNumber = "0"
    shared.SoftwareVersions = "1"

    shared.AcquisitionNumber = 1
    shared.AcquisitionDate = shared.ContentDate = "20200101"
    shared.AcquisitionTime = shared.ContentTime = "120000"
    shared.KVP = "120"
    shared.ConvolutionKernel = "SYNTHETIC"

    slice_spacing, *in_plane = volume.spacing
    shared.SliceThickness = format_number_as_ds(slice_spacing)
    shared.PixelSpacing = _decimals(in_plane)
    row, column = volume.direction[:, 2], volume.direction[:, 1]
    shared.ImageOrientationPatient = _decimals([*row, *column])

    shared.SamplesPerPixel = 1
    shared.PhotometricInterpretation = "MONOCHROME2"
    shared.Rows, shared.Columns = volume.shape[1:3]
    shared.BitsAllocated = shared.BitsStored = 16
    shared.HighBit = 15
    shared.PixelRepresentation = 1
    shared.RescaleIntercept = "0"
    shared.RescaleSlope = "1"
    shared.RescaleType = "HU"
    shared.WindowCenter = "-600"
    shared.WindowWidth = "1500"
    return shared


def _instance(
    shared: Dataset,
    volume: hd.Volume,
    voxels: np.ndarray,
    index: int,
    description: CtSeriesDescription,
) -> Dataset:
    dataset = copy.deepcopy(shared)
    dataset.SOPInstanceUID = derive_uid(
        description.seed, "series", description.series_number, "instance", index
    )
    dataset.InstanceNumber = index + 1
    position = volume.affine[:3, 3] + index * volume.affine[:3, 0]
    dataset.ImagePositionPatient = _decimals(position)
    normal = np.cross(volume.direction[:, 2], volume.direction[:, 1])
    dataset.SliceLocation = format_number_as_ds(float(position @ normal) + 0.0)
    dataset.PixelData = voxels.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
