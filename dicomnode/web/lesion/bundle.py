"""Several arrays and what is said of them as one body, which a browser reads without a copy.

Four bytes hold the length of the JSON text that follows, as a little-endian number. The text names
each array with its type, shape, and where its bytes begin; they are little-endian, the last axis
runs fastest, and they begin at multiples of eight.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from dicomnode.web.lesion.patient_grid import PlacedArray

MEDIA_TYPE = "application/octet-stream"
_ALIGNED = 8


def bundle(about: Mapping[str, Any], arrays: Mapping[str, PlacedArray]) -> bytes:
    """Write one body.

    Parameters
    ----------
    about : mapping
        What becomes JSON.
    arrays : mapping from str to PlacedArray
        Of int16 or uint8.

    Raises
    ------
    TypeError
        If an array is of another type.
    """
    described, bodies, place = {}, [], 0
    for name, placed in arrays.items():
        array = np.ascontiguousarray(placed.array)
        if array.dtype not in (np.int16, np.uint8):
            raise TypeError(f"{name}: found {array.dtype}, expected int16 or uint8")
        body = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        described[name] = {
            "type": array.dtype.name,
            "shape": array.shape,
            "offset": placed.offset,
            "start": place,
        }
        body += bytes(-len(body) % _ALIGNED)
        bodies.append(body)
        place += len(body)
    text = json.dumps({**about, "arrays": described}, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNED)
    return b"".join((len(text).to_bytes(4, "little"), text, *bodies))
