"""A digest of what an object shows, which no PACS may change, without what it may coerce."""

from __future__ import annotations

import hashlib
import json

from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels

_FLOAT_PIXELS = ("FloatPixelData", "DoubleFloatPixelData")
_CONTENT = (
    "ContentSequence",  # SR, key object
    "GraphicAnnotationSequence",  # presentation state
    "ROIContourSequence",  # structure set
)


class NothingToCompare(ValueError):
    """The object has neither pixel data nor content that is known here."""


def content_digest(dataset: Dataset) -> tuple[str, str]:
    """Digest pixel data, decoded, or else the content of an object without pixels.

    Pixel data are the same whatever lossless transfer syntax they are in. Patient and study
    attributes take no part: a PACS may coerce them (PS3.4 B.4.1.3).

    Parameters
    ----------
    dataset : Dataset
        With file meta.

    Returns
    -------
    what : str
        "pixel data" or "content".
    digest : str
        SHA-256, hexadecimal.

    Raises
    ------
    NothingToCompare
    """
    digest = hashlib.sha256()
    shape = [dataset.get(k) for k in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")]
    digest.update(json.dumps([None if v is None else int(v) for v in shape]).encode())
    if "PixelData" in dataset:
        for frame in iter_pixels(dataset):
            digest.update(frame.tobytes())
        return "pixel data", digest.hexdigest()
    for keyword in _FLOAT_PIXELS:
        if keyword in dataset:
            digest.update(dataset[keyword].value)
            return "pixel data", digest.hexdigest()
    content = Dataset()
    for keyword in _CONTENT:
        if keyword in dataset:
            content[keyword] = dataset[keyword]
    if not len(content):
        raise NothingToCompare("found neither pixel data nor content, expected one of them")
    digest.update(content.to_json(bulk_data_threshold=2**62).encode())
    return "content", digest.hexdigest()
