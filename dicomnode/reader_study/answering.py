"""What a reader answers, checked and kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dicomnode.reader_study.letters import LETTERS
from dicomnode.reader_study.taking_part import (
    Closed,
    NotThere,
    find_study,
    presentation_for,
)
from dicomnode.store.database import Database
from dicomnode.store.tables import ReaderStudy, ReaderStudyAnswer
from pipelines.reader_study.reading import Origin

MOST_WORDS = 1000
_LONGEST_S = 86400.0


class NotTaken(ValueError):
    """An answer that is not one; says why."""


@dataclass(frozen=True)
class Asked:
    """What a reader sent.

    Attributes
    ----------
    chosen : str
        A letter.
    judged : sequence of str
        What each candidate was taken for, in the order of the letters; empty where not asked.
    seconds : float or None
        As the page counted them.
    words : str
    """

    chosen: str
    judged: Sequence[str] = ()
    seconds: float | None = None
    words: str = ""


def answer(database: Database, study_id: int, reader: str, number: int, asked: Asked) -> None:
    """Keep an answer beside those before it; the last one counts.

    Raises
    ------
    NotThere
        If there is no such case for this reader, or it was never sent to them.
    Closed
    NotTaken
        If it names no candidate, or says what was not asked.
    """
    with database.write() as session:
        presentation = presentation_for(session, study_id, reader, number)
        study = find_study(session, study_id)
        if study.closed_at is not None:
            raise Closed("the study is closed")
        if not presentation.case.path:
            raise NotThere("the images of this case were deleted")
        if presentation.shown_at is None:
            raise NotTaken("this case was not looked at")
        order = presentation.shown_order
        place = LETTERS.find(asked.chosen) if len(asked.chosen) == 1 else -1
        if not 0 <= place < len(order):
            raise NotTaken(f"choose one of {LETTERS[0]} to {LETTERS[len(order) - 1]}")
        if len(asked.words) > MOST_WORDS:
            raise NotTaken(f"found more than {MOST_WORDS} characters of words")
        seconds = asked.seconds
        if seconds is not None and not (math.isfinite(seconds) and 0 <= seconds <= _LONGEST_S):
            raise NotTaken("found a time that cannot be")
        session.add(
            ReaderStudyAnswer(
                presentation_id=presentation.id,
                chosen=order[place],
                seconds=seconds,
                judged=_judged(study, order, asked.judged),
                words=asked.words.strip(),
            )
        )


def _judged(study: ReaderStudy, order: Sequence[int], said: Sequence[str]) -> list[str] | None:
    """By the candidates' own indices, as the order of letters is the reader's alone."""
    if not study.asks_origin:
        if said:
            raise NotTaken("who made a candidate is not asked in this study")
        return None
    known = {origin.value for origin in Origin}
    if len(said) != len(order) or not set(said) <= known:
        raise NotTaken("say of each candidate whether a person or a computer made it")
    found = [""] * len(order)
    for place, index in enumerate(order):
        found[index] = said[place]
    return found
