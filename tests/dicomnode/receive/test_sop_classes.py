"""The node takes in what it has a reader for, and CT."""

from __future__ import annotations

import pytest

from dicomnode.marks import READERS
from dicomnode.receive.sop_classes import (
    CT_CLASSES,
    LOSSLESS,
    STORAGE_CLASSES,
    UNCOMPRESSED,
    transfer_syntaxes,
)


def test_every_object_that_can_be_read_is_taken():
    assert CT_CLASSES | READERS.keys() == STORAGE_CLASSES


@pytest.mark.parametrize("end", ["2", "66.4", "66.7"])
def test_what_has_pixels_may_be_compressed(end):
    assert transfer_syntaxes("1.2.840.10008.5.1.4.1.1." + end) == UNCOMPRESSED + LOSSLESS


@pytest.mark.parametrize("end", ["11.1", "88.34", "88.65", "481.3"])
def test_what_has_none_is_not(end):
    assert transfer_syntaxes("1.2.840.10008.5.1.4.1.1." + end) == UNCOMPRESSED
