"""Results in the transfer syntax that a peer accepts."""

from __future__ import annotations

import copy

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian


def to_explicit_le(dataset: Dataset) -> Dataset:
    """A copy in Explicit VR Little Endian, for peers that refuse JPEG-LS.

    Parameters
    ----------
    dataset : Dataset
        With file meta. Its pixel data, if compressed, must be in a syntax that pydicom decodes.

    Returns
    -------
    Dataset
        The same instance: lossless, so the SOP Instance UID stays (PS3.4 B.4.1.3).

    Raises
    ------
    ValueError
        If there is no file meta to tell the present syntax.
    """
    meta = getattr(dataset, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        raise ValueError("found no transfer syntax in the file meta, expected one")
    result = copy.deepcopy(dataset)
    if meta.TransferSyntaxUID.is_compressed and "PixelData" in result:
        result.decompress(generate_instance_uid=False)
    result.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return result
