"""Open a DICOM file for its marks, in bounded time."""

from __future__ import annotations

import io

import pydicom
from pydicom.dataset import FileDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicomnode.marks.defined_lengths import Irregular, TooManyElements, with_defined_lengths

MAX_HEAD = 64 * 2**20
"""Bytes before the pixel data in which sequences get defined lengths."""

MAX_UNDEFINED_ITEMS = 5_000
"""Items of undefined length that pydicom decodes where `defined_lengths` cannot help."""

_UNDEFINED = b"\xff\xff\xff\xff"
_UNDEFINED_ITEM = b"\xfe\xff\x00\xe0" + _UNDEFINED
_SYNTAX_WITHIN = 4096
_CHUNK = 1 << 22
_FILE_META = 0x0002


class UnreadableMarkFile(ValueError):
    """The file is in none of the forms that hold marks, or is broken as a whole."""


def read_object(file: io.BufferedIOBase, *, stop_before_pixels: bool = False) -> FileDataset:
    """Read a DICOM object that may hold marks.

    Parameters
    ----------
    file : binary file
        At its beginning. With or without preamble and file meta information.
    stop_before_pixels : bool
        Whether to leave pixel data out.

    Returns
    -------
    FileDataset
        As pydicom reads it, but for sequences of undefined length, which have defined ones and are
        decoded when they are asked for.

    Raises
    ------
    UnreadableMarkFile
        If it is deflated, or would take too long to decode.
    Exception
        Whatever pydicom raises on a broken file.
    """
    head = file.read(MAX_HEAD)
    if DeflatedExplicitVRLittleEndian.encode() in head[:_SYNTAX_WITHIN]:
        # It would be inflated as a whole, whatever that comes to.
        raise UnreadableMarkFile("in the deflated transfer syntax, which is not read")
    if _UNDEFINED in head:
        try:
            return _with_defined_lengths(file, head, stop_before_pixels)
        except Irregular:
            _check_cost(file, head)
        except TooManyElements as problem:
            raise UnreadableMarkFile(f"found {problem}: it would take too long to read") from None
    file.seek(0)
    return pydicom.dcmread(file, force=True, stop_before_pixels=stop_before_pixels)


def _with_defined_lengths(
    file: io.BufferedIOBase, head: bytes, stop_before_pixels: bool
) -> FileDataset:
    beginning = io.BytesIO(head)
    meta = read_partial(beginning, lambda tag, *_: tag.group > _FILE_META, force=True)
    implicit, little_endian = meta.original_encoding
    if not little_endian:
        raise Irregular("big endian")
    start = beginning.tell()
    encoded, end = with_defined_lengths(head, start, implicit=implicit)
    if encoded.count(_UNDEFINED_ITEM) > MAX_UNDEFINED_ITEMS:
        raise Irregular("a broken sequence holds too many items of undefined length")
    dataset = pydicom.dcmread(io.BytesIO(head[:start] + encoded), force=True)
    if end < len(head) and not stop_before_pixels:
        file.seek(end)
        dataset.update(read_dataset(file, implicit, little_endian))
    return dataset


def _check_cost(file: io.BufferedIOBase, head: bytes) -> None:
    items = head.count(_UNDEFINED_ITEM)
    items += sum(chunk.count(_UNDEFINED_ITEM) for chunk in iter(lambda: file.read(_CHUNK), b""))
    if items > MAX_UNDEFINED_ITEMS:
        raise UnreadableMarkFile(
            f"found {items} items of undefined length in a data set that breaks PS3.5 7, "
            f"expected at most {MAX_UNDEFINED_ITEMS}"
        )
