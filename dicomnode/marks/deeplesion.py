"""RECIST marks of DeepLesion: rows of `DL_info.csv` as `pipelines.deeplesion` reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.recist_mark import RecistMark
from dicomnode.marks.safe_xml import uid_of_bytes
from pipelines.deeplesion import (
    DeepLesionRow,
    UnreadableRow,
    iter_lesions,
)

MAX_BYTES = 32 * 1024 * 1024
"""The whole `DL_info.csv` has 9 MB."""

MAX_ROWS = 50_000
"""The whole `DL_info.csv` has 32,735 rows."""

MAX_MARKS = 4_000
"""Rows that are read as marks at once; `iter_rows` goes through a table of any length."""


def image_uid(series: str, slice_number: int) -> str:
    """A UID for a slice, which has none: ``2.25.`` and 128 bits of SHA-256 of its name.

    Who turns the PNG slices into DICOM objects with these UIDs has marks that find their images.
    """
    digest = hashlib.sha256(f"DeepLesion/{series}/{slice_number:03d}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def iter_rows(lines: Iterable[str]) -> Iterator[tuple[int, DeepLesionRow | Refusal]]:
    """Read a `DL_info.csv`, or a part of one, row by row.

    Parameters
    ----------
    lines : iterable of str
        The header, then the rows, such as an open text file.

    Yields
    ------
    number : int
        Of the row, from 1 below the header; 0 for the table as a whole.
    row : DeepLesionRow or Refusal
        A refusal for a row that cannot be read, and one for a file that is no such table.
    """
    for index, row in iter_lesions(lines):
        if isinstance(row, UnreadableRow):
            yield index, Refusal(f"row {index}" if index else "1", str(row))
        else:
            yield index, row


def read_rows(
    content: bytes, most: int = MAX_ROWS
) -> tuple[dict[int, DeepLesionRow], tuple[Refusal, ...]]:
    """Read all rows of a `DL_info.csv` that is in memory.

    Parameters
    ----------
    content : bytes
        The file. It may be broken.
    most : int
        Rows that are read.

    Returns
    -------
    rows : dict of int to DeepLesionRow
        By number of the row, from 1 below the header.
    refusals : tuple of Refusal
        As from `iter_rows`, and one for what is beyond `MAX_BYTES` or `most`.
    """
    if len(content) > MAX_BYTES:
        reason = f"found {len(content)} bytes, expected at most {MAX_BYTES}"
        return {}, (Refusal("1", reason),)
    rows: dict[int, DeepLesionRow] = {}
    refusals: list[Refusal] = []
    for index, row in iter_rows(content.decode("utf-8-sig", "replace").splitlines()):
        if index > most:
            refusals.append(Refusal(f"row {index}", f"more than {most} rows; the rest is not read"))
            break
        if isinstance(row, Refusal):
            refusals.append(row)
        else:
            rows[index] = row
    return rows, tuple(refusals)


def read_deeplesion(content: bytes) -> MarkReading:
    """Read rows as marks, `MAX_MARKS` at most.

    Parameters
    ----------
    content : bytes
        As for `read_rows`.

    Returns
    -------
    MarkReading
        One mark for each readable row, on the image that `image_uid` names. Their source is a UID
        made of the file's bytes.
    """
    rows, refusals = read_rows(content, MAX_MARKS)
    source = uid_of_bytes(content)
    marks = tuple(
        RecistMark(
            long_axis=row.long_axis,
            short_axis=row.short_axis,
            source_sop_instance_uid=source,
            item=f"row {index}",
            referenced_sop_instance_uid=image_uid(row.series, row.key_slice),
            stated_long_mm=row.stated_mm[0],
            stated_short_mm=row.stated_mm[1],
        )
        for index, row in rows.items()
    )
    return MarkReading(marks=marks, refusals=refusals)
