"""A lesion's measurements as rows of a table, with their units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dicomnode.jobs.publish import read_lesion
from dicomnode.web.lesion.records import LesionRecord


@dataclass(frozen=True)
class Measured:
    """One row: what was measured, its value as it is read, and the unit; "" where it has none."""

    name: str
    value: str
    unit: str


def measured(record: LesionRecord) -> tuple[Measured, ...]:
    """Measure the soft mask on its CT; what cannot be measured is left out.

    Raises
    ------
    pipelines.errors.SegmentationError
        If a slice cannot be decoded.
    OSError
        If a file cannot be read.
    """
    result, _ = read_lesion(record.files, with_ct=True)
    found = result.measurements
    rows = (
        ("Soft volume", found.soft_volume_ml, "ml", 3),
        ("Volume, alpha 0.75 and more", found.core_volume_ml, "ml", 3),
        ("Volume, alpha 0.5 and more", found.volume_ml, "ml", 3),
        ("Volume, alpha 0.25 and more", found.outer_volume_ml, "ml", 3),
        ("Long axis", found.long_mm, "mm", 1),
        ("Short axis", found.short_mm, "mm", 1),
        ("Greatest diameter in space", found.diameter_3d_mm, "mm", 1),
        ("Width of the edge", found.band_width_mm, "mm", 2),
        ("Mean density", found.mean_hu, "HU", 0),
        ("Mass", found.mass_mg, "mg", 0),
    )
    return tuple(_written(rows))


def _written(rows: tuple[tuple[str, float | None, str, int], ...]) -> Iterator[Measured]:
    for name, value, unit, digits in rows:
        if value is not None:
            # A rounded -0 is 0.
            yield Measured(name, f"{round(value, digits) + 0.0:.{digits}f}", unit)
