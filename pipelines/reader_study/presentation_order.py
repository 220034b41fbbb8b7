"""In which order a reader sees cases, and the candidates of each: by lot, each time the same."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

_GAP = 10
"""A case comes again after so many others at least, or after half of them where there are fewer."""


@dataclass(frozen=True)
class Presentation:
    """One case as one reader sees it.

    Attributes
    ----------
    case : int
        Index of the case.
    repeat : bool
        Whether the reader has seen it before.
    order : tuple of int
        Index of the candidate at each place: what is called A, B, C and so on.
    """

    case: int
    repeat: bool
    order: tuple[int, ...]


def presentations(
    seed: int, reader: str, cases: int, repeated: Collection[int], candidates: int
) -> tuple[Presentation, ...]:
    """All that one reader sees, in order; the same seed and reader give the same.

    Cases come by lot. Candidates come in Latin squares: in every run of as many new cases as there
    are candidates, each candidate stands at each place once (Fisher and Yates 1938), so that a
    reader who always takes the first favours none. A case that comes again comes with another
    order.

    Parameters
    ----------
    seed : int
        Of the study.
    reader : str
    cases : int
        How many there are.
    repeated : collection of int
        Indices of those that come twice.
    candidates : int
        How many there are of each case.
    """
    digest = hashlib.sha256(f"{seed}\0{reader}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    sequence = [(int(case), False) for case in rng.permutation(cases)]
    gap = min(_GAP, cases // 2)
    for case in rng.permutation(sorted(repeated)):
        earliest = min(sequence.index((int(case), False)) + 1 + gap, len(sequence))
        sequence.insert(int(rng.integers(earliest, len(sequence) + 1)), (int(case), True))
    first, again = _latin(candidates, rng), _latin(candidates, rng)
    shown: dict[int, tuple[int, ...]] = {}
    found = []
    for case, repeat in sequence:
        order = next(again) if repeat else next(first)
        if order == shown.get(case):
            order = (*order[1:], order[0])
        shown[case] = order
        found.append(Presentation(case, repeat, order))
    return tuple(found)


def repeated_cases(seed: int, cases: int, count: int) -> tuple[int, ...]:
    """Which cases come twice: the same ones for all readers, by lot.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    if not 0 <= count <= cases:
        raise ValueError(f"found {count} cases to repeat, expected 0 to {cases}")
    chosen = np.random.default_rng([seed, 1]).choice(cases, count, replace=False)
    return tuple(sorted(int(case) for case in chosen))


def _latin(count: int, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Rows of cyclic Latin squares, square after square, each with letters and rows drawn."""
    while True:
        letters = rng.permutation(count)
        for shift in rng.permutation(count):
            yield tuple(int(letter) for letter in np.roll(letters, shift))
