"""Objects of the kinds that are hard to serve."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRLittleEndian

from dicomnode.results import derive_uid
from tests.dicomnode.studies import Study, study


def small_study(seed: str) -> Study:
    """A study of six slices and a report."""
    made = study(seed)
    return replace(made, ct=made.ct[:6])


def segmentation(
    made: Study, kind: str, pixels: np.ndarray, syntax: UID = ExplicitVRLittleEndian
) -> Dataset:
    """A SEG of one segment on the first slices of a study; pixels by slice, row and column."""
    return hd.seg.Segmentation(
        source_images=made.ct[: len(pixels)],
        pixel_array=pixels,
        segmentation_type=kind,
        segment_descriptions=[
            hd.seg.SegmentDescription(
                1,
                "Lesion",
                codes.SCT.MorphologicallyAbnormalStructure,
                codes.SCT.Lesion,
                hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
        ],
        series_instance_uid=derive_uid("test", kind, made.seed, str(syntax)),
        series_number=900,
        sop_instance_uid=derive_uid("test", kind, "instance", made.seed, str(syntax)),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
        omit_empty_frames=False,
        max_fractional_value=200,
    )


def ramp(made: Study, slices: int = 3) -> np.ndarray:
    """Alpha from 0 at the left to 1 at the right."""
    rows, columns = made.ct[0].Rows, made.ct[0].Columns
    line = np.linspace(0, 1, columns, dtype=np.float32)
    return np.broadcast_to(line, (slices, rows, columns)).copy()


def fractional_seg(made: Study, syntax: UID = ExplicitVRLittleEndian) -> Dataset:
    """A soft mask."""
    return segmentation(made, "FRACTIONAL", ramp(made), syntax)


def odd_binary_seg(made: Study) -> tuple[Dataset, np.ndarray]:
    """A BINARY SEG whose frames do not begin at bytes: 5 x 5 pixels, one bit each; and its bits."""
    dataset = segmentation(made, "BINARY", (ramp(made) > 0.5).astype(np.uint8))
    bits = np.random.default_rng(1).integers(0, 2, (3, 5, 5)).astype(np.uint8)
    dataset.Rows = dataset.Columns = 5
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    dataset.PixelData = packed + b"\0" * (len(packed) % 2)
    return dataset, bits
