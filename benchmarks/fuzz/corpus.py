"""The whole files that are damaged, in memory, and how often each is taken."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from dicomnode.marks.mark_file import MarkForm, UnreadableMarkFile, read_mark_bytes
from dicomnode.receive.sop_classes import CT_CLASSES

MAX_XML_BYTES = 120_000
MAX_ROWS = 40
LIDC_FILES = 4
AIM_FILES = 2
MAX_ELEMENTS = 20_000
"""Elements of one object that mutations choose from."""

_ITEMS_LOOKED_INTO = 6
_BYTES_TO_READ = 4096
"""What is read in about the time that one case takes without it."""

Step = tuple[BaseTag, int]
Place = tuple[tuple[Step, ...], BaseTag]
"""The (sequence, item) steps to an element, and its tag."""


class Kind(Enum):
    """What mutations of structure a file allows."""

    DICOM = "DICOM"
    XML = "XML"
    CSV = "CSV"


@dataclass(frozen=True, eq=False)
class Whole:
    """One file as it should be.

    Attributes
    ----------
    name : str
    kind : Kind
    content : bytes
    end : int
        Where pixels begin: bytes behind it are seldom touched.
    places : tuple of Place
        Elements of a DICOM object.
    weight : float
        How often it is taken: small files, which are read quickly, more often.
    """

    name: str
    kind: Kind
    content: bytes
    end: int
    places: tuple[Place, ...] = field(repr=False, default=())
    weight: float = 1.0


def load(data: Path) -> list[Whole]:
    """All sample files of marks below `data` that are not too large to be read thousands of times.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    found = [
        whole(name, content)
        for name, content in _files(data)
        if (form := _form(content)) is not None and form[1] not in CT_CLASSES
    ]
    if not found:
        raise FileNotFoundError(f"{data}: no files of marks in it")
    return found


def whole(name: str, content: bytes) -> Whole:
    """A file with what mutations need to know of it."""
    form, _ = _form(content)
    kind = {MarkForm.DICOM: Kind.DICOM, MarkForm.DEEPLESION: Kind.CSV}.get(form, Kind.XML)
    places: tuple[Place, ...] = ()
    end = len(content)
    if kind is Kind.DICOM:
        dataset = pydicom.dcmread(io.BytesIO(content), force=True)
        pixels = dataset.get_item("PixelData")
        if isinstance(pixels, RawDataElement):
            end = pixels.value_tell
        places = tuple(_places(dataset))[:MAX_ELEMENTS]
    return Whole(name, kind, content, end, places, 1 / (1 + end / _BYTES_TO_READ))


def _files(data: Path) -> Iterator[tuple[str, bytes]]:
    for folder in ("dicom_objects", "ibsi_ct/rtstruct"):
        for path in sorted((data / folder).glob("*.dcm")):
            yield path.name, path.read_bytes()
    for ending in (".dcm", ".xml"):  # these are much alike
        similar = sorted((data / "aim_recist_pairs").glob(f"aim*/*{ending}"))
        for path in _spread(similar, AIM_FILES):
            yield path.name, path.read_bytes()
    for path in sorted((data / "deeplesion_csv").glob("*.csv")):
        yield path.name, b"\n".join(path.read_bytes().split(b"\n")[: MAX_ROWS + 1])
    for path in sorted((data / "lidc_xml").glob("*.tar.*")):
        with tarfile.open(path) as archive:
            members = sorted(
                (m for m in archive if m.isfile() and m.size <= MAX_XML_BYTES),
                key=lambda member: member.name,
            )
            for member in _spread(members, LIDC_FILES):
                yield Path(member.name).name, archive.extractfile(member).read()


def _spread(members: Sequence, count: int) -> Sequence:
    return members[:: max(1, len(members) // count)][:count]


def _form(content: bytes) -> tuple[MarkForm, str | None] | None:
    try:
        file = read_mark_bytes(content)
    except UnreadableMarkFile:
        return None
    return file.form, file.sop_class_uid


def _places(dataset: Dataset, above: tuple[Step, ...] = ()) -> Iterator[Place]:
    for element in dataset:
        yield above, element.tag
        if element.VR == "SQ":
            for index, item in enumerate(element.value[:_ITEMS_LOOKED_INTO]):
                yield from _places(item, (*above, (element.tag, index)))
