"""The sheet of the test card: one page to print, and to tick in front of the viewer."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dicomnode.results.research_notice import NOTICE
from dicomnode.testcard.card import Card
from dicomnode.testcard.phantom import WINDOW_CENTRE, WINDOW_WIDTH
from dicomnode.testcard.rows import QUESTIONS, Row

_A4_INCHES = (8.27, 11.69)
_SLICES = (5, 13, 17, 20)
"""Numbers of the slices that are printed: between them they show all shapes, and gaps."""

_HEADINGS = {
    "listed": "listed",
    "opens": "opens",
    "in_place": "in place",
    "grades": "grades",
}
_HOW_TO = (
    "Open the study of patient TESTCARD. Go through its series by the numbers below; the CT comes "
    "first. Tick what is true; leave the box empty where it is not.",
    "listed: the series is in the list.   opens: it opens, without an error and without waiting "
    "for ever.",
    "in place: all four shapes are drawn, within the white frames that the CT has on the same "
    "slice, nothing where there is no frame; the F stands on slices 17 and 18 only and is not "
    "mirrored; the disc is missing on slices 7 to 11 and 15 to 19.",
    "grades: strong and weak parts can be told apart, as the last column says.",
    "Then write the ticks into the answers file and run: dicomnode testcard DESTINATION "
    "--answers FILE",
)


def save_sheet(card: Card, answers: Mapping[Row, str | None], destination: str, path: Path) -> None:
    """Draw the sheet as a PDF of one A4 page.

    Parameters
    ----------
    card : Card
    answers : mapping
        Of each row, why the destination did not accept it; None where it did.
    destination : str
        Its name in the configuration.
    path : Path
        Ends in ``.pdf``, or in another suffix that matplotlib writes.
    """
    figure = Figure(figsize=_A4_INCHES)
    figure.text(0.07, 0.962, "Test card", fontsize=20, weight="bold")
    figure.text(0.93, 0.966, f"{NOTICE}. Not a patient.", fontsize=8, ha="right")
    figure.text(
        0.07,
        0.938,
        f"Destination: {destination}        Viewer and version: {'.' * 42}        "
        f"Date: {'.' * 16}        By: {'.' * 16}",
        fontsize=8,
    )
    for place, number in enumerate(_SLICES):
        axes = figure.add_axes((0.07 + 0.217 * place, 0.765, 0.209, 0.155))
        axes.imshow(_picture(card, number - 1), interpolation="nearest")
        axes.set_axis_off()
    figure.text(
        0.07,
        0.752,
        "The shapes, in red as strong as they should be drawn, on four of the 24 slices of the CT.",
        fontsize=7.5,
        style="italic",
    )
    lines = [line for text in _HOW_TO for line in textwrap.wrap(text, 128)]
    figure.text(0.07, 0.738, "\n".join(lines), fontsize=7.5, va="top", linespacing=1.35)
    axes = figure.add_axes((0.07, 0.04, 0.86, 0.575))
    _table(axes, answers)
    figure.savefig(path)


def _picture(card: Card, index: int) -> npt.NDArray[np.float64]:
    """A slice of the CT with all mattes in red, shape (rows, columns, 3), in [0, 1]."""
    low = WINDOW_CENTRE - WINDOW_WIDTH / 2
    grey = np.clip((card.volume.array[index] - low) / WINDOW_WIDTH, 0, 1)[..., None]
    alpha = sum(shape.alpha[index] for shape in card.shapes)[..., None]
    return grey * (1 - alpha) + np.array([0.85, 0.1, 0.1]) * alpha


def _table(axes: Axes, answers: Mapping[Row, str | None]) -> None:
    """One row an object; coordinates are row heights downwards, and hundredths of the width."""
    axes.set_xlim(0, 100)
    axes.set_ylim(len(answers) + 0.02, -0.8)
    axes.set_axis_off()
    columns = {question: 31 + 7 * place for place, question in enumerate(QUESTIONS)}
    small = {"fontsize": 7.5, "va": "center"}
    axes.text(0, -0.35, "series", weight="bold", **small)
    axes.text(60, -0.35, "what is to be seen", weight="bold", **small)
    for question, x in columns.items():
        axes.text(x, -0.35, _HEADINGS[question], weight="bold", ha="center", **small)
    for y, (row, refusal) in enumerate(answers.items()):
        axes.plot([0, 100], [y, y], color="0.7", linewidth=0.5)
        axes.text(0, y + 0.5, row.name, **small)
        if refusal is not None:
            words = textwrap.shorten(f"not accepted by the destination: {refusal}", 92)
            axes.text(27.5, y + 0.5, words, color="0.35", style="italic", **small)
            continue
        axes.text(60, y + 0.5, row.look, **small)
        for question, x in columns.items():
            if question in row.asks:
                axes.add_patch(Rectangle((x - 1.2, y + 0.25), 2.4, 0.5, fill=False, linewidth=0.8))
    axes.plot([0, 100], [len(answers)] * 2, color="0.7", linewidth=0.5)
