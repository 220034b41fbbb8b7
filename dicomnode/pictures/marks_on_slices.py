"""A picture of marks, outlines and segments, each on its CT slice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dicomnode.explained.item import Drawing, ExplainedItem
from dicomnode.explained.report import NOTICE
from dicomnode.pictures.hu_window import hu_window

matplotlib.use("Agg")

MAX_ITEMS = 40
"""Items of one picture: more cannot be looked at."""

_MARGIN = 0.6
"""Room around a mark, as part of its size."""

_MIN_CROP_PIXELS = 48
_LINE_CHARACTERS = 56
_COLOUR = "#40e0ff"


def save_marks_on_slices(items: Sequence[ExplainedItem], path: Path) -> int:
    """Draw each item that has its CT slice, as a whole slice and as a crop, and write a PNG.

    Parameters
    ----------
    items : sequence of ExplainedItem
        Those without a drawing are left out.
    path : Path

    Returns
    -------
    int
        How many items were drawn, `MAX_ITEMS` at most.

    Raises
    ------
    SegmentationError
        If the pixels of a slice cannot be decoded.
    OSError
        If the file cannot be written.
    """
    shown = [item for item in items if item.drawing is not None][:MAX_ITEMS]
    figure = Figure(
        figsize=(7.2, 3.3 * max(len(shown), 1) + 0.5), facecolor="black", layout="constrained"
    )
    if shown:
        grid = figure.subplots(len(shown), 2, squeeze=False)
        for row, item in zip(grid, shown, strict=True):
            _draw(row, item, item.drawing)
    figure.suptitle(NOTICE, color="#ffb000", fontsize=9)
    figure.savefig(path, dpi=100, format="png")
    return len(shown)


def _draw(row: Sequence[Axes], item: ExplainedItem, drawing: Drawing) -> None:
    hu = drawing.slice.hounsfield()
    crop = _crop(drawing, hu.shape)
    low, high = hu_window(hu[crop])
    row_spacing, column_spacing = drawing.slice.header.pixel_spacing or (1.0, 1.0)
    for axes in row:
        axes.set_facecolor("black")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.imshow(hu, cmap="gray", vmin=low, vmax=high, aspect=row_spacing / column_spacing)
    for axes in row:
        for line in drawing.lines:
            # Pixel centres are whole numbers here.
            closed = np.concatenate([line, line[:1]]) if drawing.closed else line
            axes.plot(closed[:, 0] - 0.5, closed[:, 1] - 0.5, color=_COLOUR, linewidth=1.0)
        if drawing.mask is not None:
            axes.contour(drawing.mask, levels=[0.5], colors=[_COLOUR], linewidths=0.9)
    rows, columns = crop
    row[0].add_patch(
        Rectangle(
            (columns.start - 0.5, rows.start - 0.5),
            columns.stop - columns.start,
            rows.stop - rows.start,
            fill=False,
            edgecolor="#ffb000",
            linewidth=0.6,
        )
    )
    row[0].set_xlim(-0.5, hu.shape[1] - 0.5)
    row[0].set_ylim(hu.shape[0] - 0.5, -0.5)
    row[1].set_xlim(columns.start - 0.5, columns.stop - 0.5)
    row[1].set_ylim(rows.stop - 0.5, rows.start - 0.5)
    row[0].set_title(_title(item), color="white", fontsize=7, loc="left")
    row[1].set_title(_caption(item, low, high), color="white", fontsize=7, loc="left")


def _crop(drawing: Drawing, shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns around what is drawn, about square."""
    points = list(drawing.lines)
    if drawing.mask is not None:
        set_rows, set_columns = np.nonzero(drawing.mask)
        points.append(np.column_stack([set_columns, set_rows]) + 0.5)
    corners = np.concatenate(points)
    low, high = corners.min(axis=0), corners.max(axis=0)
    half = max(float((high - low).max()) * (0.5 + _MARGIN), _MIN_CROP_PIXELS / 2)
    column, row = (low + high) / 2
    return tuple(
        slice(max(int(centre - half), 0), max(min(int(np.ceil(centre + half)), size), 1))
        for centre, size in ((row, shape[0]), (column, shape[1]))
    )


def _title(item: ExplainedItem) -> str:
    number = item.drawing.slice.header.instance_number
    where = "" if number is None else f", slice {number}"
    return _wrapped(f"{item.item}: {item.kind.value}, {item.outcome.value}{where}")


def _caption(item: ExplainedItem, low: float, high: float) -> str:
    lengths = " x ".join(f"{axis.length_mm:.1f}" for axis in item.axes if axis.length_mm)
    parts = [f"{lengths} mm"] if lengths else list(item.notes[:1])
    parts += [f"{len(item.doubts)} doubt(s)"] if item.doubts else []
    return _wrapped(", ".join([*parts, f"{low:g} to {high:g} HU"]))


def _wrapped(text: str) -> str:
    """In lines that stay above their own picture."""
    return fill(text, _LINE_CHARACTERS)
