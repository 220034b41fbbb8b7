"""A stored object, seen without reading its pixels: its header, and where its frames lie."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames, get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from dicomnode.marks.dicom_object import read_object
from dicomnode.receive.encoded import (
    DataSetWalker,
    FileBytes,
    InvalidInstance,
    PixelElement,
    meta_values,
)
from dicomnode.receive.sop_classes import IMPLICIT_VR_LE
from dicomnode.store.part_file import data_set_offset
from dicomnode.web.dicomweb.problem import Problem, not_found

_ROWS, _COLUMNS, _SAMPLES, _BITS = 0x00280010, 0x00280011, 0x00280002, 0x00280100
_FRAMES, _PHOTOMETRIC = 0x00280008, 0x00280004
_PIXEL_DATA, _FLOAT_PIXEL_DATA = 0x7FE00010, 0x7FE00008
_WANTED = frozenset({_ROWS, _COLUMNS, _SAMPLES, _BITS, _FRAMES, _PHOTOMETRIC})
_MOST_META = 2**20
_MOST_HEADER = 64 * 2**20
_MOST_FRAME = 256 * 2**20


@dataclass(frozen=True)
class StoredObject:
    """Where the parts of one file lie.

    Attributes
    ----------
    path : Path
    size : int
        Bytes of the file.
    syntax : str
        Transfer Syntax UID.
    header_end : int
        Where pixel data begins, or the file ends, in bytes from its start.
    pixels : PixelElement or None
        Counted from `data_set`.
    data_set : int
        Where the data set begins.
    rows, columns, frames : int
        0 where it is no image.
    frame_bits, sample_bits : int
        Of one uncompressed frame, and of one sample of a pixel.
    """

    path: Path
    size: int
    syntax: str
    header_end: int
    pixels: PixelElement | None
    data_set: int
    rows: int
    columns: int
    frames: int
    frame_bits: int
    sample_bits: int

    @property
    def is_image(self) -> bool:
        """Whether it has frames."""
        return self.frames > 0

    @property
    def pixel_vr(self) -> str:
        """Value representation of its pixel data (PS3.5 A)."""
        if self.pixels.tag != _PIXEL_DATA:
            return "OF" if self.pixels.tag == _FLOAT_PIXEL_DATA else "OD"
        return "OB" if self.pixels.encapsulated or self.sample_bits <= 8 else "OW"

    def header(self) -> Dataset:
        """Read all but the pixel data.

        Raises
        ------
        Problem
            406 where it is too large, or in a form that takes too long to read.
        """
        if self.header_end > _MOST_HEADER:
            raise Problem(406, f"a header of {self.header_end} bytes is sent as part of DICOM only")
        with _open(self.path) as descriptor:
            head = os.pread(descriptor, self.header_end, 0)
        try:
            return read_object(io.BytesIO(head))
        except Exception:  # whatever a library raises, which may quote the patient's data
            raise Problem(406, "its header cannot be read; it can be retrieved as DICOM") from None

    def frame(self, index: int) -> bytes:
        """One frame as it is stored; uncompressed ones begin at a byte.

        Parameters
        ----------
        index : int
            From 0.

        Raises
        ------
        Problem
            404 where there is none of the kind.
        """
        self._check(index)
        with _open(self.path) as descriptor:
            if self.pixels.encapsulated:
                with os.fdopen(os.dup(descriptor), "rb") as file:
                    file.seek(self.data_set + self.pixels.value)
                    try:
                        return get_frame(file, index, number_of_frames=self.frames)
                    except Exception:
                        raise Problem(404, "the frame cannot be found in its pixel data") from None
            first = index * self.frame_bits
            begin, end = first // 8, -(-(first + self.frame_bits) // 8)
            start = self.data_set + self.pixels.value + begin
            found = os.pread(descriptor, end - begin, start)
        if len(found) < end - begin:
            raise not_found("the frame")
        return found if first % 8 == 0 else _shifted(found, first % 8, self.frame_bits)

    def stored_frames(self) -> Iterator[bytes]:
        """All frames as they are stored, one after the other."""
        if not self.pixels.encapsulated:
            yield from (self.frame(index) for index in range(self.frames))
            return
        with open(self.path, "rb") as file:
            file.seek(self.data_set + self.pixels.value)
            yield from generate_frames(file, number_of_frames=self.frames)

    def decoded(self, index: int) -> np.ndarray:
        """One frame's stored values, shape (rows, columns) or (rows, columns, 3); colours as RGB.

        Raises
        ------
        Problem
            404, or 406 where it cannot be decoded.
        """
        self._check(index)
        try:
            return pixel_array(self.path, index=index)
        except OSError:
            raise not_found("the instance") from None
        except Exception:
            raise Problem(406, "the frame cannot be decoded; it can be had as stored") from None

    def uncompressed(self, index: int) -> bytes:
        """One frame's pixels in Explicit VR Little Endian."""
        if not self.pixels.encapsulated:
            return self.frame(index)
        values = self.decoded(index)
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()

    def bytes_from(self, start: int, length: int, piece: int = 2**18) -> Iterator[bytes]:
        """A part of the file, piece by piece."""
        with open(self.path, "rb", buffering=0) as file:
            file.seek(start)
            while length > 0 and (found := file.read(min(piece, length))):
                length -= len(found)
                yield found

    def _check(self, index: int) -> None:
        if not self.is_image:
            raise Problem(404, "the instance has no frames")
        if not 0 <= index < self.frames:
            raise Problem(404, f"found no frame {index + 1}, the instance has {self.frames}")
        if self.frame_bits > _MOST_FRAME * 8:
            raise Problem(406, f"a frame of {self.frame_bits // 8} bytes is sent as DICOM only")


def read_stored(path: Path) -> StoredObject:
    """Look at a Part 10 file that the node keeps.

    Raises
    ------
    Problem
        404 where it is gone, 406 where it is damaged.
    """
    with _open(path) as descriptor:
        size = os.fstat(descriptor).st_size
        with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
            begin = data_set_offset(file)
        if not 132 < begin <= size:
            raise Problem(406, "its file is damaged")
        try:
            meta = meta_values(os.pread(descriptor, min(begin, _MOST_META) - 132, 132))
            syntax = meta.get(0x00020010, b"").rstrip(b"\0 ").decode("ascii", "replace")
            data = FileBytes(descriptor, begin, size)
            walker = DataSetWalker(data, syntax != IMPLICIT_VR_LE, _WANTED)
            walker.walk()
        except (InvalidInstance, ValueError):
            raise Problem(406, "its file is damaged") from None
    return _described(path, size, syntax, begin, walker)


def _described(
    path: Path, size: int, syntax: str, begin: int, walker: DataSetWalker
) -> StoredObject:
    def number(tag: int, default: int = 0) -> int:
        value = walker.values.get(tag, b"")
        return int.from_bytes(value[:2], "little") if len(value) >= 2 else default

    pixels = walker.pixels
    rows, columns = number(_ROWS), number(_COLUMNS)
    text = walker.values.get(_FRAMES, b"").split(b"\\")[0].strip(b" \0")
    frames = int(text) if text.isdigit() and len(text) <= 12 else 1
    bits = rows * columns * number(_SAMPLES, 1) * number(_BITS)
    if walker.values.get(_PHOTOMETRIC, b"").strip(b" \0") == b"YBR_FULL_422":
        bits = bits * 2 // 3  # PS3.3 C.7.6.3.1.2
    return StoredObject(
        path=path,
        size=size,
        syntax=str(UID(syntax)),
        header_end=size if pixels is None else begin + pixels.element,
        pixels=pixels,
        data_set=begin,
        rows=rows,
        columns=columns,
        frames=max(frames, 1) if pixels is not None and bits else 0,
        frame_bits=bits,
        sample_bits=number(_BITS),
    )


def _shifted(packed: bytes, first: int, count: int) -> bytes:
    """Bits of a frame that begins within a byte (PS3.5 8.1.1), moved to begin at one."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
    return np.packbits(bits[first : first + count], bitorder="little").tobytes()


@contextmanager
def _open(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise not_found("the instance") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)
