"""What a source can be asked, however it is spoken to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_text, read_uid

CANDIDATES = ("CT", "SEG", "")
"""Modalities of series that an image which a mark names may be in; some sources tell none."""


class Failed(Exception):
    """A source could not be asked, or did not give what it was asked for.

    Attributes
    ----------
    words : str
        The peer's or the network's own.
    status : int or None
        The DIMSE or HTTP status, where one came.
    final : bool
        Whether asking again cannot help.
    """

    def __init__(self, words: str, status: int | None = None, *, final: bool = False) -> None:
        super().__init__(words)
        self.words = words
        self.status = status
        self.final = final


class NotThere(Failed):
    """The source answered, and does not have it: it may come later, or be found in another way."""


@dataclass(frozen=True)
class FoundSeries:
    """One series that a source has.

    Attributes
    ----------
    series_instance_uid : str
    modality : str
        Empty where the source does not tell.
    frame_of_reference_uid : str or None
        None where the source does not tell.
    """

    series_instance_uid: str
    modality: str
    frame_of_reference_uid: str | None = None


@dataclass(frozen=True)
class FoundImage:
    """One instance that a source has; None where it does not tell."""

    sop_instance_uid: str
    sop_class_uid: str | None = None
    frame_of_reference_uid: str | None = None


def found_series(answers: Iterable[Dataset]) -> list[FoundSeries]:
    """Read answers to a query for series; those without a UID are left out."""
    return [
        FoundSeries(uid, read_text(answer, "Modality") or "", read_uid(answer, _FRAME))
        for answer in answers
        if (uid := read_uid(answer, "SeriesInstanceUID")) is not None
    ]


def found_images(answers: Iterable[Dataset]) -> list[FoundImage]:
    """Read answers to a query for instances; those without a UID are left out."""
    return [
        FoundImage(uid, read_uid(answer, "SOPClassUID"), read_uid(answer, _FRAME))
        for answer in answers
        if (uid := read_uid(answer, "SOPInstanceUID")) is not None
    ]


_FRAME = "FrameOfReferenceUID"


class Asking(Protocol):
    """A conversation with one source. Every method raises `Failed`.

    Attributes
    ----------
    takes_whole_series : bool
        Whether one request for a series serves better than one for each image.
    """

    takes_whole_series: bool

    def series(self, study: str) -> Sequence[FoundSeries]:
        """Series of a study."""

    def series_of_image(self, study: str, sop_instance_uid: str) -> str | None:
        """Series of the study that holds an image; None where none does."""

    def images(
        self, study: str, series: str, limit: int | None = None
    ) -> Sequence[FoundImage] | None:
        """Instances of a series; None where the source cannot be asked that."""

    def fetch(self, study: str, series: str, images: Sequence[str] | None) -> None:
        """Bring a series, or some of its images, into the node's store."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
