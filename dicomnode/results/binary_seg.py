"""A soft mask cut at one level as DICOM SEG BINARY, for viewers that know no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor

from dicomnode.results.alpha_bands import STANDARD_BANDS, AlphaBand, band_labels, check_rgb
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.segment_description import segment_description
from dicomnode.results.segmentation import SegSettings, segmentation
from dicomnode.results.whole_frames import whole_frames


@dataclass(frozen=True)
class BinarySegSettings(SegSettings):
    """How a destination wants its binary SEG.

    Attributes
    ----------
    level : float
        Least alpha of a voxel that is in the segment, in (0, 1].
    rgb : tuple of int
        Recommended colour, sRGB, 0 to 255.
    """

    series_description: str = "Mask {method} RESEARCH"
    level: float = 0.5
    rgb: tuple[int, int, int] = STANDARD_BANDS[-1].rgb

    def __post_init__(self) -> None:
        if not 0 < self.level <= 1:
            raise ValueError(f"found a level of {self.level}, expected one in (0, 1]")
        check_rgb(self.rgb)


def binary_seg_uids(result: LesionResult, settings: BinarySegSettings) -> ResultUids:
    """UIDs of the SEG, known before it is made."""
    return result.uids("binary-seg", options_in_uids(settings))


def binary_seg(
    result: LesionResult,
    settings: BinarySegSettings = BinarySegSettings(),
    twins: Sequence[MarkSource] = (),
) -> hd.seg.Segmentation:
    """Write the voxels of at least one alpha as SEG BINARY (PS3.3 A.51 and C.8.20).

    Parameters
    ----------
    result : LesionResult
    settings : BinarySegSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.

    Returns
    -------
    highdicom.seg.Segmentation
        One segment, 1 bit, packed over the ends of frames (PS3.5 8.1.1), Explicit VR Little
        Endian: there is no compression of single bits that viewers read.

    Raises
    ------
    EmptyMask
        If no voxel reaches the level.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where its offset says.
    """
    alpha = np.asarray(result.mask.alpha.array)
    labels, _ = band_labels(alpha, [AlphaBand("", settings.level, settings.rgb)])
    label = f"{settings.segment_label} (alpha >= {settings.level:g})"
    colour = CIELabColor.from_rgb(*settings.rgb)
    return segmentation(
        result,
        hd.seg.SegmentationTypeValues.BINARY,
        whole_frames(result, labels, every_slice=not settings.omit_empty_frames),
        [segment_description(result, label, 1, settings.algorithm_family, colour)],
        binary_seg_uids(result, settings),
        settings,
        twins,
    )
