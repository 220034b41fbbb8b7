"""Objects of a phantom lesion, one of each kind that the node makes, for the tables of Annex A."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from dicomnode.conformance.cases import CASES, Case
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.mark_reading import Refusal
from dicomnode.marks.recist_mark import RecistMark
from dicomnode.results.assessment import Judgement, assessment
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.ladder import LADDER
from dicomnode.results.lesion_result import Equipment, LesionResult, MarkSource
from dicomnode.results.not_processed import not_processed
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.uids import derive_uid
from dicomnode.store.verdicts import REASONS
from pipelines.measure import measure
from pipelines.soft_mask import SoftMask

REFUSAL = "not-processed"
ASSESSMENT = "assessment"
"""The kinds that are no rungs of the ladder."""


@dataclass(frozen=True, eq=False)
class Specimens:
    """Objects by their kind, and a slice of the CT that they were made of."""

    made: Mapping[str, Dataset]
    ct: Dataset


def specimens(case: str = "full") -> Specimens:
    """Objects of one case, by its name in `CASES`; a kind that has nothing to show is left out."""
    return _made(case)


@cache
def _made(case: str) -> Specimens:
    chosen = CASES[case]
    result, hu = _lesion(chosen)
    numbers = SeriesNumbers(chosen.series_number)
    made: dict[str, Dataset] = {}
    twins: list[MarkSource] = []
    # Objects of a series refer to those of its lesions, which therefore come first.
    for rung in sorted(LADDER.values(), key=lambda rung: rung.of == "series"):
        settings = rung.settings(series_numbers=numbers)
        try:
            if rung.of == "series":
                found = rung.make([result], settings, [twins])
            else:
                found = rung.make(result, settings, **({"hu": hu} if rung.needs_ct else {}))
        except NothingToReport:
            continue
        first = found[0] if isinstance(found, list) else found
        made[rung.name] = first
        if rung.of == "lesion":
            twins.append(MarkSource.of(first))
    held = result.slices[0]
    refusals = [Refusal("1.2", f"the reason {chosen.seed}")]
    made[REFUSAL] = not_processed(held, refusals, result.equipment)
    said = Judgement(chosen.seed, "Reader", 1e9, False, False, "other", REASONS["other"])
    seg = made["fractional-seg"]
    made[ASSESSMENT] = assessment(seg, [MarkSource.of(seg)], said, result.equipment)
    return Specimens(made, held)


def written_syntaxes(kinds: Iterable[str] | None = None) -> frozenset[tuple[str, str]]:
    """SOP classes of results, all or of some kinds, with the transfer syntax of each as written."""
    made = specimens().made
    return frozenset(
        (str(made[kind].SOPClassUID), str(made[kind].file_meta.TransferSyntaxUID))
        for kind in (made if kinds is None else kinds)
    )


def _lesion(case: Case) -> tuple[LesionResult, np.ndarray]:
    """A ball in the middle of a CT, marked with two axes on its middle slice."""
    affine = np.eye(4)
    affine[:3, :3] = np.transpose(case.directions) * case.spacing_mm
    hu = np.full(case.shape, -800, np.int16)
    volume = hd.Volume(hu, affine, coordinate_system="PATIENT")
    description = CtSeriesDescription(
        case.seed, study_description=case.seed, series_description=case.seed
    )
    said = dict.fromkeys(range(case.shape[0]), case.said)
    ct = ct_series(volume, description, said)
    box = tuple(slice(1, n - 1) for n in case.shape)
    grid = volume[box]
    alpha = _ball(grid.array.shape, case.spacing_mm)
    mask = SoftMask(
        grid.with_array(alpha),
        grid.with_array(np.ones(alpha.shape, np.uint8)),
        case.method,
        {"band_outer_mm": 1.0},
        (1, 1, 1),
        quantity=case.quantity,
    )
    row, column = (1 + n / 2 for n in alpha.shape[1:])
    middle = case.shape[0] // 2
    mark = RecistMark(
        np.array([[column - 6, row], [column + 6, row]]),
        np.array([[column, row - 7], [column, row + 7]]),
        source_sop_instance_uid=derive_uid(case.seed, "marks"),
        item="1.1",
        referenced_sop_instance_uid=str(ct[middle].SOPInstanceUID),
        **case.mark,
    )
    source = MarkSource(
        "1.2.840.10008.5.1.4.1.1.88.34",
        derive_uid(case.seed, "marks"),
        str(ct[0].StudyInstanceUID),
        derive_uid(case.seed, "series of marks"),
    )
    result = LesionResult(
        mask,
        ct,
        LesionMark.of(mark),
        measure(mask, volume),
        "digest",
        Equipment(case.version),
        mark_sources=(source,),
        number=case.number,
    )
    return result, hu[1:-1].astype(np.float32)


def _ball(shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Alpha of a ball of 5 mm with an edge of 2 mm."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    away = np.linalg.norm((grid - (np.array(shape) - 1) / 2) * spacing_mm, axis=-1)
    return np.clip((5.0 - away) / 2 + 0.5, 0, 1).astype(np.float32)
