"""Pictures of the numbers, and a sheet of lesions with what methods make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.evaluation.spread import Cell
from pipelines.evaluation.table import Table

NOTICE = "Research software, not for diagnosis"

_MARKERS = "o^sDvPX"
"""Seven beside ten colours: no two of the first seventy methods look alike."""

_WINDOW_HU = (-1000.0, 400.0)


def save_boxes(values: Mapping[str, Sequence[float]], label: str, path: Path) -> None:
    """A box for each method: quartiles, whiskers of 1.5 times their distance, what lies beyond.

    Parameters
    ----------
    values : mapping
        One value a case, by method.
    label : str
        What is drawn, with its unit.
    path : Path
        Of the PNG.
    """
    figure = Figure(figsize=(8, 0.4 * len(values) + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    names = list(values)[::-1]
    axes.boxplot(
        [list(values[name]) for name in names],
        orientation="horizontal",
        tick_labels=names,
        flierprops={"markersize": 3},
    )
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    figure.suptitle(NOTICE, fontsize=8)
    figure.savefig(path, dpi=100)


def save_sizes(table: Table, label: str, path: Path) -> None:
    """Means and their intervals in each group of sizes, a line for each method.

    Parameters
    ----------
    table : Table
        A column for each group.
    label : str
        What is drawn, with its unit.
    path : Path
        Of the PNG.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    step = 0.8 / max(len(table.rows), 1)
    for number, row in enumerate(table.rows):
        at = [
            (place - 0.4 + (number + 0.5) * step, cell)
            for place, cell in enumerate(row.cells)
            if isinstance(cell, Cell)
        ]
        x, means = [place for place, _ in at], [cell.mean for _, cell in at]
        bars = [
            [max(c.mean - c.low, 0) for _, c in at],
            [max(c.high - c.mean, 0) for _, c in at],
        ]
        axes.errorbar(
            x,
            means,
            bars,
            marker=_MARKERS[number % len(_MARKERS)],
            color=f"C{number % 10}",
            linestyle="none",
            label=row.name,
            capsize=2,
        )
    # The number of cases below the name: side by side they would touch.
    names = [column.name.replace(" (", "\n(") for column in table.columns]
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel(label)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    figure.suptitle(NOTICE, fontsize=8)
    figure.savefig(path, dpi=100)


@dataclass(frozen=True, eq=False)
class SheetRow:
    """One lesion on its marked slice, all of shape (rows, columns).

    Attributes
    ----------
    title : str
    hu : ndarray
    mean : ndarray
        Of the readers' masks.
    alphas : mapping
        By method.
    """

    title: str
    hu: npt.NDArray
    mean: npt.NDArray
    alphas: Mapping[str, npt.NDArray]


def save_sheet(rows: Sequence[SheetRow], path: Path) -> None:
    """CT, the mean of the readers, and each method's alpha, side by side."""
    columns = ["CT", "readers' mean", *rows[0].alphas]
    figure = Figure(
        figsize=(1.5 * len(columns), 1.6 * len(rows) + 0.5), facecolor="black", layout="constrained"
    )
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        seen = np.argwhere(row.mean > 0)
        first, last = seen.min(axis=0) - 8, seen.max(axis=0) + 9
        box = tuple(slice(max(int(a), 0), int(b)) for a, b in zip(first, last, strict=True))
        low, high = _WINDOW_HU
        line[0].imshow(row.hu[box], cmap="gray", vmin=low, vmax=high)
        line[0].set_ylabel(row.title, color="white", fontsize=7)
        for axes, image in zip(line[1:], (row.mean, *row.alphas.values()), strict=True):
            axes.imshow(image[box], cmap="gray", vmin=0, vmax=1)
        for axes in line:
            axes.set_xticks([])
            axes.set_yticks([])
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title, color="white", fontsize=8)
    figure.suptitle(NOTICE, color="#ffb000", fontsize=8)
    figure.savefig(path, dpi=110)
