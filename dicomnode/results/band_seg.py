"""A soft mask as disjoint bands of alpha in DICOM SEG BINARY: a soft edge for hard viewers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from highdicom.color import CIELabColor

from dicomnode.results.alpha_bands import STANDARD_BANDS, AlphaBand, band_labels, check_bands
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.segment_description import segment_description
from dicomnode.results.segmentation import SegSettings, segmentation
from dicomnode.results.whole_frames import whole_frames


@dataclass(frozen=True)
class BandSegSettings(SegSettings):
    """How a destination wants its bands.

    Attributes
    ----------
    bands : tuple of AlphaBand
        From the outermost to the innermost.
    """

    series_description: str = "Alpha bands {method} RESEARCH"
    bands: tuple[AlphaBand, ...] = STANDARD_BANDS

    def __post_init__(self) -> None:
        check_bands(self.bands)


def band_seg_uids(result: LesionResult, settings: BandSegSettings) -> ResultUids:
    """UIDs of the SEG, known before it is made."""
    return result.uids("band-seg", options_in_uids(settings))


def band_descriptions(
    result: LesionResult, present: Sequence[AlphaBand], settings: BandSegSettings
) -> list[hd.seg.SegmentDescription]:
    """One segment for each band that holds a voxel, numbered from 1, outermost first.

    All carry the tracking UID of the lesion: that is what is tracked (PS3.3 C.8.20.4, Tracking UID:
    a finding or feature, potentially across objects), and one band is no finding of its own. A
    viewer tells them apart by label and number. The label gives the interval up to the next band
    of the settings, also where that one is empty.
    """
    highs = {
        band.low: above.low for band, above in zip(settings.bands, settings.bands[1:], strict=False)
    }
    return [
        segment_description(
            result,
            f"{settings.segment_label} {band.name} ({_interval(band.low, highs.get(band.low))})",
            number,
            settings.algorithm_family,
            CIELabColor.from_rgb(*band.rgb),
        )
        for number, band in enumerate(present, start=1)
    ]


def _interval(low: float, high: float | None) -> str:
    return f"alpha >= {low:g}" if high is None else f"alpha {low:g} to {high:g}"


def band_seg(
    result: LesionResult,
    settings: BandSegSettings = BandSegSettings(),
    twins: Sequence[MarkSource] = (),
) -> hd.seg.Segmentation:
    """Write bands of alpha as the segments of a SEG BINARY (PS3.3 A.51 and C.8.20).

    A band without a voxel has no segment. With `settings.omit_empty_frames` a segment has frames
    only where it has voxels; without, one for each slice of the CT.

    Parameters
    ----------
    result : LesionResult
    settings : BandSegSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.

    Returns
    -------
    highdicom.seg.Segmentation
        Segments that do not overlap, 1 bit, packed, Explicit VR Little Endian.

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
        hd.seg.SegmentationTypeValues.BINARY,
        whole_frames(result, labels, every_slice=not settings.omit_empty_frames),
        band_descriptions(result, present, settings),
        band_seg_uids(result, settings),
        settings,
        twins,
        omit_empty_frames=settings.omit_empty_frames,
    )
