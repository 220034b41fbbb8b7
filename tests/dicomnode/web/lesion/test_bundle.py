"""Several arrays in one body."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dicomnode.web.lesion.bundle import bundle
from dicomnode.web.lesion.patient_grid import PlacedArray


def unpacked(body: bytes) -> dict:
    """What the browser's script reads."""
    length = int.from_bytes(body[:4], "little")
    about = json.loads(body[4 : 4 + length])
    for name, array in about["arrays"].items():
        start, count = 4 + length + array["start"], int(np.prod(array["shape"]))
        assert start % 8 == 0
        values = np.frombuffer(body, np.dtype(array["type"]).newbyteorder("<"), count, start)
        about[name] = PlacedArray(values.reshape(array["shape"]), tuple(array["offset"]))
    return about


def test_arrays_come_back_as_they_were_with_what_is_said_of_them():
    hu = np.random.default_rng(2).integers(-1024, 3000, (3, 5, 7)).astype(np.int16)
    alpha = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    made = unpacked(
        bundle(
            {"id": 4, "words": "größer"},
            {"hu": PlacedArray(hu, (-1, 0, 2)), "alpha": PlacedArray(alpha[:, :, ::-1], (0, 0, 0))},
        )
    )
    assert (made["id"], made["words"]) == (4, "größer")
    np.testing.assert_array_equal(made["hu"].array, hu)
    assert made["hu"].offset == (-1, 0, 2)
    np.testing.assert_array_equal(made["alpha"].array, alpha[:, :, ::-1])


def test_an_array_that_browsers_are_not_told_to_read_is_refused():
    with pytest.raises(TypeError, match="float32"):
        bundle({}, {"alpha": PlacedArray(np.zeros((1, 1, 1), np.float32), (0, 0, 0))})
