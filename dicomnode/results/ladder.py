"""The ladder: all kinds of objects that a result can become, by their name in the configuration.

A new kind is one file and one line in `LADDER`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    ParametricMapStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)

from dicomnode.results.band_seg import BandSegSettings, band_seg
from dicomnode.results.binary_seg import BinarySegSettings, binary_seg
from dicomnode.results.fractional_seg import FractionalSegSettings, fractional_seg
from dicomnode.results.iso_contours import IsoContourSettings, iso_contours
from dicomnode.results.key_object import KeyObjectSettings, key_object
from dicomnode.results.labelmap_seg import LabelmapSegSettings, labelmap_seg
from dicomnode.results.ohif_report import OhifReportSettings, ohif_report
from dicomnode.results.parametric_map import ParametricMapSettings, parametric_map
from dicomnode.results.report import ReportSettings, report
from dicomnode.results.rtstruct import RtstructSettings, rtstruct
from dicomnode.results.secondary_capture import SecondaryCaptureSettings, secondary_capture

LABEL_MAP_SEGMENTATION_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")
"""Supplement 243; pydicom 3.0 has no name for it."""


@dataclass(frozen=True)
class Rung:
    """One kind of object.

    Attributes
    ----------
    name : str
        In the configuration, and in `PublishedObject.kind`.
    sop_class_uid : UID
    make : callable
        ``make(result, settings, **more)`` gives a Dataset or a list of them. `result` is a
        `LesionResult`, or a sequence of those of one CT series; see `of`.
    settings : type
        Of the settings that `make` takes: a frozen dataclass with a default for each field.
    of : "lesion" or "series"
        What one object stands for.
    needs_ct : bool
        Whether `make` takes, as its keyword `hu`, the CT of the slices that the soft mask's crop
        covers: an array of HU, shape (slices of the crop, Rows, Columns).
    has_predecessors : bool
        Whether `make` takes what the object takes the place of as its keyword `predecessors`.
    """

    name: str
    sop_class_uid: UID
    make: Callable[..., Any]
    settings: type
    of: Literal["lesion", "series"] = "lesion"
    needs_ct: bool = False
    has_predecessors: bool = False


LADDER: dict[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung("fractional-seg", SegmentationStorage, fractional_seg, FractionalSegSettings),
        Rung("binary-seg", SegmentationStorage, binary_seg, BinarySegSettings),
        Rung("band-seg", SegmentationStorage, band_seg, BandSegSettings),
        Rung("labelmap-seg", LABEL_MAP_SEGMENTATION_STORAGE, labelmap_seg, LabelmapSegSettings),
        Rung("parametric-map", ParametricMapStorage, parametric_map, ParametricMapSettings),
        Rung(
            "report",
            Comprehensive3DSRStorage,
            report,
            ReportSettings,
            "series",
            has_predecessors=True,
        ),
        Rung(
            "ohif-report",
            Comprehensive3DSRStorage,
            ohif_report,
            OhifReportSettings,
            "series",
            has_predecessors=True,
        ),
        Rung(
            "iso-contours",
            GrayscaleSoftcopyPresentationStateStorage,
            iso_contours,
            IsoContourSettings,
        ),
        Rung(
            "secondary-capture",
            SecondaryCaptureImageStorage,
            secondary_capture,
            SecondaryCaptureSettings,
            needs_ct=True,
        ),
        Rung("rtstruct", RTStructureSetStorage, rtstruct, RtstructSettings, "series"),
        Rung(
            "key-object",
            KeyObjectSelectionDocumentStorage,
            key_object,
            KeyObjectSettings,
            "series",
        ),
    )
}
"""In the order in which a viewer's user would want them."""
