"""A soft mask as DICOM SEG FRACTIONAL: the record object of a result.

An occupancy is written as type OCCUPANCY, a share of readers as PROBABILITY. The sum of a
density-weighted mask is no volume: it is written as PROBABILITY, too, which nobody sums, and its
label says what it is. There is no third type.

Written by highdicom from the covered source slices only, so that time and memory follow the
lesion and not the study. Geometry is that of the source slices themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.uid import JPEGLSLossless

from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.segment_description import segment_description
from dicomnode.results.segmentation import MAXIMUM_FRACTIONAL_VALUE, SegSettings, segmentation
from dicomnode.results.whole_frames import whole_frames

_FRACTIONAL_TYPE = {
    "occupancy": hd.seg.SegmentationFractionalTypeValues.OCCUPANCY,
    "probability": hd.seg.SegmentationFractionalTypeValues.PROBABILITY,
    "density-weighted": hd.seg.SegmentationFractionalTypeValues.PROBABILITY,
}


@dataclass(frozen=True)
class FractionalSegSettings(SegSettings):
    """How a destination wants its fractional SEG.

    Attributes
    ----------
    transfer_syntax_uid : str
        JPEG-LS Lossless or Explicit VR Little Endian, or another that highdicom writes.
    """

    series_description: str = "Soft mask {method} RESEARCH"
    transfer_syntax_uid: str = JPEGLSLossless


def fractional_seg_uids(result: LesionResult, settings: FractionalSegSettings) -> ResultUids:
    """UIDs of the SEG, known before it is made. A lossless transcoding keeps them."""
    return result.uids("fractional-seg", options_in_uids(settings))


def fractional_seg(
    result: LesionResult,
    settings: FractionalSegSettings = FractionalSegSettings(),
    twins: Sequence[MarkSource] = (),
) -> hd.seg.Segmentation:
    """Write a soft mask as SEG FRACTIONAL of 8 bit (PS3.3 A.51 and C.8.20).

    Parameters
    ----------
    result : LesionResult
        Only the headers of the covered slices are looked at, unless `settings.omit_empty_frames` is
        False. Each frame takes position, orientation and pixel measures from its slice, by index.
    settings : FractionalSegSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.

    Returns
    -------
    highdicom.seg.Segmentation
        Pixel value round(255 alpha), Rows x Columns of the CT. Frames are in the order of
        highdicom: read them by position or source image, not by index.

    Raises
    ------
    EmptyMask
        If nothing would be left after rounding to 8 bit.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where its offset says.
    """
    alpha = np.asarray(result.mask.alpha.array)
    held = np.where(np.rint(alpha * MAXIMUM_FRACTIONAL_VALUE) > 0, alpha, np.float32(0))
    return segmentation(
        result,
        hd.seg.SegmentationTypeValues.FRACTIONAL,
        whole_frames(result, held, every_slice=not settings.omit_empty_frames),
        [segment_description(result, settings.segment_label, 1, settings.algorithm_family)],
        fractional_seg_uids(result, settings),
        settings,
        twins,
        settings.transfer_syntax_uid,
        fractional_type=_FRACTIONAL_TYPE[result.mask.quantity],
    )
