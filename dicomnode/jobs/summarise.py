"""Make the objects that hold all lesions of one CT series. The work of a worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.frames import read_headers
from dicomnode.jobs.publish import (
    LesionFiles,
    PublishedObject,
    read_lesion,
    source_of,
    write_object,
)
from dicomnode.jobs.uncollected import uncollected
from dicomnode.jobs.variants import Variant
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.ladder import LADDER
from dicomnode.results.lesion_result import LesionResult, MarkSource

_LAST = "key-object"


@dataclass(frozen=True)
class SummaryVariant:
    """One object to make of all lesions.

    Attributes
    ----------
    variant : Variant
    twins : tuple of tuple of Path
        Of each of its lesions, the other objects that the same destinations get.
    predecessors : tuple of Path
        What the object takes the place of.
    lesions : tuple of int
        Indices of its lesions in the request: some destinations get only what was accepted.
    """

    variant: Variant
    twins: tuple[tuple[Path, ...], ...]
    predecessors: tuple[Path, ...]
    lesions: tuple[int, ...]


@dataclass(frozen=True)
class SummaryRequest:
    """Everything that a summary is made of.

    Attributes
    ----------
    lesions : tuple of LesionFiles
        At least one, of one CT series.
    variants : tuple of SummaryVariant
    folder : Path
        Where the objects are written, as ``<sop instance uid>.dcm``.
    """

    lesions: tuple[LesionFiles, ...]
    variants: tuple[SummaryVariant, ...]
    folder: Path


@uncollected()
def summarise(request: SummaryRequest) -> tuple[PublishedObject, ...]:
    """Write the objects of one series durably.

    A key object points to the others, too, that the same destinations get. A kind of which there is
    nothing to say, such as contours of masks that are faint everywhere, is left out.

    Raises
    ------
    dicomnode.results.UnusableGeometry
        If a soft mask and its slices make no valid object.
    """
    # Lesions of one series lie on the same slices, and a series may have thousands.
    slices = list(dict.fromkeys(one for lesion in request.lesions for one in lesion.slices))
    headers = dict(zip(slices, read_headers(slices), strict=True))
    results = [read_lesion(lesion, with_ct=True, headers=headers)[0] for lesion in request.lesions]
    # What points to others is made after them.
    ordered = sorted(request.variants, key=lambda made: made.variant.rung == _LAST)
    published: list[PublishedObject] = []
    for wanted in ordered:
        twins = [tuple(map(source_of, paths)) for paths in wanted.twins]
        if wanted.variant.rung == _LAST:
            theirs = [p for p in published if p.destinations == wanted.variant.destinations]
            twins[0] = (*twins[0], *(source_of(other.path) for other in theirs))
        try:
            made = _make([results[index] for index in wanted.lesions], wanted, twins)
        except NothingToReport:
            continue
        rung, destinations = wanted.variant.rung, wanted.variant.destinations
        published.append(write_object(made, rung, destinations, request.folder))
    return tuple(published)


def _make(
    results: Sequence[LesionResult],
    wanted: SummaryVariant,
    twins: Sequence[tuple[MarkSource, ...]],
) -> Dataset:
    rung = LADDER[wanted.variant.rung]
    more: dict[str, object] = {"twins": twins}
    if rung.has_predecessors:
        more["predecessors"] = tuple(map(source_of, wanted.predecessors))
    return rung.make(results, wanted.variant.settings(), **more)
