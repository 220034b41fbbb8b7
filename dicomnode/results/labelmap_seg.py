"""A soft mask as bands of alpha in one label map (DICOM Supplement 243)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.uid import JPEGLSLossless

from dicomnode.results.alpha_bands import band_labels
from dicomnode.results.band_seg import BandSegSettings, band_descriptions
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.segmentation import segmentation
from dicomnode.results.whole_frames import whole_frames


@dataclass(frozen=True)
class LabelmapSegSettings(BandSegSettings):
    """How a destination wants its label map.

    Attributes
    ----------
    transfer_syntax_uid : str
        JPEG-LS Lossless or Explicit VR Little Endian, or another that highdicom writes.
    """

    series_description: str = "Label map {method} RESEARCH"
    transfer_syntax_uid: str = JPEGLSLossless


def labelmap_seg_uids(result: LesionResult, settings: LabelmapSegSettings) -> ResultUids:
    """UIDs of the SEG, known before it is made. A lossless transcoding keeps them."""
    return result.uids("labelmap-seg", options_in_uids(settings))


def labelmap_seg(
    result: LesionResult,
    settings: LabelmapSegSettings = LabelmapSegSettings(),
    twins: Sequence[MarkSource] = (),
) -> hd.seg.Segmentation:
    """Write bands of alpha as a SEG LABELMAP of 8 bit (PS3.3 A.51.2 and C.8.20).

    Its SOP class, Label Map Segmentation Storage, is not that of the other segmentations.

    Parameters
    ----------
    result : LesionResult
    settings : LabelmapSegSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.

    Returns
    -------
    highdicom.seg.Segmentation
        Pixel value 0 for the background, else the number of the segment.

    Raises
    ------
    EmptyMask
        If no voxel reaches the first band.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where its offset says.
    """
    labels, present = band_labels(np.asarray(result.mask.alpha.array), settings.bands)
    return segmentation(
        result,
        hd.seg.SegmentationTypeValues.LABELMAP,
        whole_frames(result, labels, every_slice=not settings.omit_empty_frames),
        band_descriptions(result, present, settings),
        labelmap_seg_uids(result, settings),
        settings,
        twins,
        settings.transfer_syntax_uid,
    )
