"""What is read of each file of the sample marks, as a Markdown table.

    python -m benchmarks.marks_table DATA

DATA holds ``dicom_objects``, ``aim_recist_pairs`` (each file has a row), ``deeplesion_csv``,
``lidc_xml``, ``ibsi_ct`` and ``lungdx_*``. CT images, and files in no form of marks, are one row a
folder; of the LIDC's files a sample follows the sum of all. It takes two minutes, nearly all of
them for the LIDC. What each file is, the reader finds out by its content.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import UID

from dicomnode.marks import MarkReading, Refusal
from dicomnode.marks.mark_file import MarkFile, UnreadableMarkFile, read_mark_bytes, read_mark_file
from dicomnode.receive.sop_classes import CT_CLASSES

FOLDERS = ("dicom_objects", "aim_recist_pairs", "deeplesion_csv", "lidc_xml", "ibsi_ct", "lungdx_*")
LIDC_SAMPLE = 6
MAX_REASONS = 3

_COLUMNS = ("file", "form", "marks", "outlines", "segments", "references", "refused, and why")
_NO_MARKS = (".md", ".txt")


@dataclass(frozen=True, eq=False)
class Row:
    """One file.

    Attributes
    ----------
    name : str
        Path below the data folder.
    form : str
        What it was recognised as.
    reading : MarkReading
    """

    name: str
    form: str
    reading: MarkReading


def rows(data: Path) -> Iterator[Row]:
    """One row for each file; CT images of a folder, and files in no form of marks, together."""
    for pattern in FOLDERS:
        for folder in sorted(data.glob(pattern)):
            together: Counter[tuple[str, str, str]] = Counter()
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                name, parent = (str(p.relative_to(data)) for p in (path, path.parent))
                if path.suffix.lower() in _NO_MARKS or path.name == "LICENSE":
                    continue
                if tarfile.is_tarfile(path):
                    yield from _lidc_rows(path, name)
                    continue
                try:
                    file = read_mark_file(path)
                except UnreadableMarkFile as problem:
                    together[parent, "none", str(problem)] += 1
                    continue
                if file.sop_class_uid in CT_CLASSES:
                    together[parent, _form(file), "an image"] += 1
                else:
                    yield Row(name, _form(file), file.reading)
            for (parent, form, reason), count in together.items():
                refused = MarkReading(refusals=(Refusal("1", reason),) * count)
                yield Row(f"{parent}: {count} file(s)", form, refused)


def _lidc_rows(archive: Path, name: str) -> Iterator[Row]:
    """All files of an archive together, then some of them evenly spread."""
    with tarfile.open(archive) as files:
        members = sorted((m for m in files if m.isfile()), key=lambda member: member.name)
        found = [
            (Path(member.name).name, read_mark_bytes(files.extractfile(member).read()))
            for member in members
        ]
    everything = MarkReading(
        outlines=tuple(outline for _, file in found for outline in file.reading.outlines),
        refusals=tuple(refusal for _, file in found for refusal in file.reading.refusals),
    )
    yield Row(f"{name}: {len(found)} file(s)", found[0][1].form.value, everything)
    for inner, file in found[:: max(1, len(found) // LIDC_SAMPLE)][:LIDC_SAMPLE]:
        yield Row(f"{name}: {inner}", _form(file), file.reading)


def _form(file: MarkFile) -> str:
    return file.form.value if file.sop_class_uid is None else UID(file.sop_class_uid).name


def markdown(table: Iterable[Row]) -> Iterator[str]:
    """The table, line by line."""
    yield "| " + " | ".join(_COLUMNS) + " |"
    yield "| " + " | ".join("---" if n < 2 or n == 6 else "---:" for n in range(7)) + " |"
    for row in table:
        reading = row.reading
        counts = (reading.marks, reading.outlines, reading.segments, reading.references)
        cells = [row.name, row.form, *(str(len(c)) for c in counts), _refused(reading)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _refused(reading: MarkReading) -> str:
    reasons = Counter(refusal.reason for refusal in reading.refusals)
    told = [f"{count}: {reason}" for reason, count in reasons.most_common(MAX_REASONS)]
    if len(reasons) > MAX_REASONS:
        told.append(f"{sum(reasons.values()) - sum(c for _, c in reasons.most_common(3))}: others")
    return "; ".join(told) or "0"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data sets are")
    folder = parser.parse_args().folder
    if not any(folder.glob(FOLDERS[0])):
        raise SystemExit(f"{folder}: found no {FOLDERS[0]} in it")
    warnings.simplefilter("ignore")  # pydicom's, about what the writers of the samples did
    for line in markdown(rows(folder)):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
