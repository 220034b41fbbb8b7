"""Whether what a destination finds, or gives back, is what was sent to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicomnode.deliver.confirmation import ReadBack, Reading, ToRead
from dicomnode.deliver.content_digest import NothingToCompare, content_digest
from dicomnode.faults import describe_fault
from dicomnode.marks.attributes import read_uid


@dataclass(frozen=True)
class Sent:
    """What was sent, from the node's own file.

    Attributes
    ----------
    study, series, instance, sop_class : str
        Its UIDs.
    path : Path
    """

    study: str
    series: str
    instance: str
    sop_class: str
    path: Path


def sent(one: ToRead) -> Sent:
    """Read what an object is asked for by. Raises whatever a damaged file makes pydicom raise."""
    tags = ["StudyInstanceUID", "SeriesInstanceUID"]
    header = pydicom.dcmread(one.path, specific_tags=tags, stop_before_pixels=True)
    return Sent(
        str(header.StudyInstanceUID),
        str(header.SeriesInstanceUID),
        one.sop_instance_uid,
        one.sop_class_uid,
        one.path,
    )


def judge_answers(found: Sequence[Dataset], known: Sent, how: str) -> ReadBack:
    """Look for an object among the answers to a query; `how` it was asked."""
    mine = [a for a in found if read_uid(a, "SOPInstanceUID") == known.instance]
    if not mine:
        return ReadBack(Reading.ABSENT, f"{how} does not find it")
    sop_class = read_uid(mine[0], "SOPClassUID")
    if sop_class is not None and sop_class != known.sop_class:
        return ReadBack(Reading.DIFFERENT, f"{how} finds it with SOP class {sop_class}")
    return ReadBack(Reading.SAME, f"{how}, which finds it")


def judge_content(fetched: Dataset, known: Sent, how: str) -> ReadBack:
    """Compare pixel data, or else content, by their digest (`content_digest`).

    Parameters
    ----------
    fetched : Dataset
        With file meta.
    known : Sent
    how : str
        It was fetched.
    """
    try:
        what, expected = content_digest(pydicom.dcmread(known.path))
    except NothingToCompare:
        return ReadBack(Reading.SAME, f"{how}, which gives it; it has nothing to compare")
    except Exception as error:  # the node's own file is gone or damaged
        words = f"the node's own file cannot be read: {describe_fault(error)}"
        return ReadBack(Reading.IMPOSSIBLE, words)
    try:
        _, found = content_digest(fetched)
    except NothingToCompare:
        return ReadBack(Reading.DIFFERENT, f"{how} gives it without its {what}")
    except Exception as error:  # pixel data that cannot be decoded
        return ReadBack(
            Reading.DIFFERENT, f"{how} gives {what} that cannot be read: {describe_fault(error)}"
        )
    if found != expected:
        return ReadBack(Reading.DIFFERENT, f"{how} gives other {what} than was sent")
    return ReadBack(Reading.SAME, f"{how}, the same {what} (SHA-256 {found[:16]}…)")
