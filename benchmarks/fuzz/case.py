"""One case: damage a file, read it, and look whether what was read is there."""

from __future__ import annotations

import contextlib
import io
import random
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pydicom
from pydicom.dataset import Dataset

from benchmarks.fuzz.corpus import Whole
from benchmarks.fuzz.mutation import Damaged, damaged
from benchmarks.fuzz.oracle import MadeUp, check_dataset, check_text
from dicomnode.explained import explain_reading
from dicomnode.explained.report import to_json
from dicomnode.marks import UndecodableFrame, read_marks
from dicomnode.marks.mark_file import MarkFile, MarkForm, UnreadableMarkFile, read_mark_bytes
from dicomnode.marks.serialised import to_json as mark_to_json

MAX_S = 1.0
"""Processor time of one reading; more is a hang."""


class Verdict(Enum):
    """What came of one case."""

    READ = "read"
    REFUSED = "refused"
    UNREADABLE = "unreadable as a whole"
    CRASH = "crash"
    HANG = "hang"
    MADE_UP = "coordinates that are not there"


FAULTS = (Verdict.CRASH, Verdict.HANG, Verdict.MADE_UP)


@dataclass(frozen=True)
class Case:
    """What came of one case.

    Attributes
    ----------
    number : int
    name : str
        The file that was damaged.
    verdict : Verdict
    seconds : float
        Processor time of the reading.
    words : str
        Of a fault: what happened.
    """

    number: int
    name: str
    verdict: Verdict
    seconds: float = 0.0
    words: str = ""


def prepared(number: int, seed: int, corpus: Sequence[Whole]) -> tuple[Whole, Damaged]:
    """The damaged file of a case; the same for the same seed, corpus and number."""
    chance = random.Random(f"{seed}/{number}")
    (whole,) = chance.choices(corpus, weights=[one.weight for one in corpus])
    return whole, damaged(whole, corpus, chance)


def run(number: int, seed: int, corpus: Sequence[Whole], *, raising: bool = False) -> Case:
    """Run one case.

    Parameters
    ----------
    number, seed, corpus
        As for `prepared`.
    raising : bool
        Whether a fault is raised rather than told, to see where it arose.
    """
    whole, subject = prepared(number, seed, corpus)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        started = time.process_time()
        try:
            file = _read(subject)
        except UnreadableMarkFile:
            return Case(number, whole.name, Verdict.UNREADABLE, time.process_time() - started)
        except Exception as error:
            if raising:
                raise
            words = f"{type(error).__name__}: {error}"[:300]
            return Case(number, whole.name, Verdict.CRASH, time.process_time() - started, words)
        seconds = time.process_time() - started
        if seconds > MAX_S:
            return Case(number, whole.name, Verdict.HANG, seconds, f"{seconds:.2f} s")
        try:
            _use(file)
            _check(subject, file)
        except MadeUp as error:
            if raising:
                raise
            return Case(number, whole.name, Verdict.MADE_UP, seconds, str(error))
        except Exception as error:
            if raising:
                raise
            words = f"when it was used: {type(error).__name__}: {error}"[:300]
            return Case(number, whole.name, Verdict.CRASH, seconds, words)
    reading = file.reading
    found = reading.marks or reading.outlines or reading.segments or reading.references
    return Case(number, whole.name, Verdict.READ if found else Verdict.REFUSED, seconds)


def _read(subject: Damaged) -> MarkFile:
    if isinstance(subject, Dataset):
        return MarkFile(MarkForm.DICOM, read_marks(subject), dataset=subject)
    return read_mark_bytes(subject)


def _use(file: MarkFile) -> None:
    """Do with a reading what the node and its commands do."""
    reading = file.reading
    if not (
        reading.marks
        or reading.outlines
        or reading.segments
        or reading.references
        or reading.refusals
    ):
        raise ValueError("neither anything found nor anything refused")
    to_json(file, explain_reading(reading))
    for mark in reading.marks[:20]:
        mark_to_json(mark)
        if len(mark.key) != 64:
            raise ValueError("a key of another length")
    for segment in reading.segments[:2]:
        for frame in segment.frames[:2]:
            with contextlib.suppress(UndecodableFrame):
                values = frame.values
                if not 0 <= values.min() <= values.max() <= 1:
                    raise ValueError("a segment's values beyond 0 to 1")


def _check(subject: Damaged, file: MarkFile) -> None:
    if isinstance(subject, Dataset):
        check_dataset(subject, file.reading)
    elif file.dataset is not None:
        # As pydicom alone reads it, without what the readers do to bytes first.
        check_dataset(pydicom.dcmread(io.BytesIO(subject), force=True), file.reading)
    else:
        check_text(subject, file.reading, 0.5 if file.form is MarkForm.LIDC else 0.0)
