"""Which results a destination should be sent, by what its viewer showed of the test card."""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.testcard.answers import Answers, RowAnswers

RECORD = "fractional-seg"
"""Kept also where nobody sees it, for it alone holds the soft mask as it is."""

_WITH_GRADES = ("parametric-map", "labelmap-seg", "band-seg")
"""Overlays that say how much of a voxel is lesion, the one that says most first."""

_PLAIN = "binary-seg"
_MAP = "parametric-map"
_FALLBACKS = ("iso-contours", "rtstruct", "secondary-capture")
"""For viewers that show no overlay at all, the one that is most like one first."""


class NothingArrived(ValueError):
    """No object of the card can be sent there with any use."""


@dataclass(frozen=True)
class Choice:
    """What becomes of one rung.

    Attributes
    ----------
    rung : str
    sent : bool
    reason : str
    every_slice : bool
        Whether it needs a frame for every slice.
    """

    rung: str
    sent: bool
    reason: str
    every_slice: bool = False


@dataclass(frozen=True)
class Profile:
    """What a destination is to be told.

    Attributes
    ----------
    choices : tuple of Choice
        Of each rung, in the order of the ladder.
    omit_empty_frames, map_omits_empty_frames : bool
        Of segmentations, of which one on the card stands for all; of Parametric Maps.
    all_references : bool
        Whether what is drawn may name more than the CT.
    """

    choices: tuple[Choice, ...]
    omit_empty_frames: bool
    map_omits_empty_frames: bool
    all_references: bool

    @property
    def results(self) -> tuple[str, ...]:
        """Names of the rungs that are sent."""
        return tuple(choice.rung for choice in self.choices if choice.sent)


def profile(answers: Answers) -> Profile:
    """Turn what was seen into what is configured.

    Raises
    ------
    NothingArrived
        If no rung would be sent.
    """
    choices = choose(answers)
    spread = {choice.rung for choice in choices if choice.sent and choice.every_slice}
    found = Profile(
        choices,
        omit_empty_frames=not spread - {_MAP},
        map_omits_empty_frames=_MAP not in spread if _sends(choices, _MAP) else not spread,
        all_references=any(a.row.all_references and a.shown for a in answers.rows),
    )
    if not found.results:
        raise NothingArrived("found no object that arrived and opened, expected one to be sent")
    return found


def _sends(choices: tuple[Choice, ...], rung: str) -> bool:
    return any(choice.rung == rung and choice.sent for choice in choices)


def choose(answers: Answers) -> tuple[Choice, ...]:
    """Decide rung by rung, in the order of the ladder.

    Shown means: accepted, listed, opened, and drawn in its place. Of overlays in labels, the one
    that says most is sent. Contours or pictures are sent where no overlay is shown.
    """
    forms = [a for a in answers.rows if not a.row.all_references]
    plain = {a.row.rung.name: a for a in forms if not a.row.every_slice}
    spread = {a.row.rung.name: a for a in forms if a.row.every_slice}
    best = {name: _better(one, spread.get(name)) for name, one in plain.items()}
    label = next(
        (name for name in ("labelmap-seg", "band-seg") if name in best and best[name].graded), None
    )
    label = label or (_PLAIN if _PLAIN in best and best[_PLAIN].shown else None)
    overlays = [
        name for name in (RECORD, "parametric-map") if name in best and best[name].graded
    ] + ([label] if label else [])
    fallback = next((name for name in _FALLBACKS if name in best and best[name].shown), None)
    return tuple(_choice(name, best[name], label, overlays, fallback) for name in plain)


def _better(plain: RowAnswers, every_slice: RowAnswers | None) -> RowAnswers:
    """The form without empty frames, unless only the other is shown."""
    if every_slice is None or plain.graded:
        return plain
    if every_slice.graded or (every_slice.shown and not plain.shown):
        return every_slice
    return plain


def _choice(
    name: str, answer: RowAnswers, label: str | None, overlays: list[str], fallback: str | None
) -> Choice:
    def say(sent: bool, reason: str) -> Choice:
        return Choice(name, sent, reason, answer.row.every_slice)

    if answer.refusal is not None:
        return say(False, f"the destination does not accept it: {answer.refusal}")
    if name == RECORD and not answer.graded and answer.ticks["opens"]:
        return say(True, "not shown as it should be, kept because it holds the soft mask itself")
    if not answer.shown:
        return say(False, _failure(answer))
    if not answer.graded and name in (RECORD, *_WITH_GRADES):
        return say(False, "its grades cannot be told apart, which misleads")
    if name in ("labelmap-seg", "band-seg", _PLAIN) and name != label:
        return say(False, f"shown, but {label} says as much or more")
    if name in _FALLBACKS:
        if overlays:
            return say(False, f"shown, but not needed beside {overlays[0]}")
        if name != fallback:
            return say(False, f"shown, but {fallback} is nearer to an overlay")
        return say(True, "shown, and no overlay is")
    return say(True, "shown")


def _failure(answer: RowAnswers) -> str:
    for question, words in (
        ("listed", "the viewer does not list it"),
        ("opens", "the viewer does not open it"),
        ("in_place", "the viewer draws it in the wrong place"),
    ):
        if not answer.ticks.get(question, True):
            return words
    raise ValueError(f"{answer.row.name} is shown")
