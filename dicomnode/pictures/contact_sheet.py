"""A contact sheet: each lesion in a row, with its mark and its soft mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

matplotlib.use("Agg")

NOTICE = "Research software, not for diagnosis"

_WINDOW_HU = (-1000.0, 400.0)
_CONTOUR_LEVELS = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Panel:
    """One lesion's row.

    Attributes
    ----------
    title : str
        Without patient data.
    hu : ndarray, shape (rows, columns)
        The crop of the CT slice that the mark was drawn on.
    alpha : ndarray, shape (rows, columns)
        In [0, 1].
    axes : sequence of ndarray, shape (2, 2)
        End points (row, column) of the drawn axes, in indices of the crop.
    pixel_spacing : tuple of float
        Of rows and of columns, mm.
    truth : ndarray, shape (rows, columns), or None
        The true occupancy, where it is known.
    """

    title: str
    hu: npt.NDArray[np.floating]
    alpha: npt.NDArray[np.floating]
    axes: Sequence[npt.NDArray[np.float64]]
    pixel_spacing: tuple[float, float]
    truth: npt.NDArray[np.floating] | None = None


def save_contact_sheet(panels: Sequence[Panel], path: Path) -> None:
    """Draw the rows and write a PNG.

    Columns: the slice with the mark; the soft mask over it with iso-contours at 0.25, 0.5 and
    0.75; the soft mask alone; the truth, where any row has one.
    """
    with_truth = any(panel.truth is not None for panel in panels)
    columns = ["CT with the mark", "soft mask over CT", "soft mask"]
    columns += ["truth"] if with_truth else []
    size = 2.4
    figure = Figure(
        figsize=(size * len(columns), size * len(panels) + 0.7),
        facecolor="black",
        layout="constrained",
    )
    grid = figure.subplots(len(panels), len(columns), squeeze=False)
    for row, panel in zip(grid, panels, strict=True):
        _draw(row, panel)
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title, color="white", fontsize=9)
    figure.suptitle(NOTICE, color="#ffb000", fontsize=9)
    figure.savefig(path, dpi=110)


def _draw(row: Sequence[Axes], panel: Panel) -> None:
    aspect = panel.pixel_spacing[0] / panel.pixel_spacing[1]
    for axes in row:
        axes.set_facecolor("black")
        axes.set_xticks([])
        axes.set_yticks([])
    low, high = _WINDOW_HU
    for axes in row[:2]:
        axes.imshow(panel.hu, cmap="gray", vmin=low, vmax=high, aspect=aspect)
    row[0].set_ylabel(panel.title, color="white", fontsize=8)
    for line in panel.axes:
        row[0].plot(line[:, 1], line[:, 0], color="#40e0ff", linewidth=1.2)
    row[1].imshow(
        np.ma.masked_less(panel.alpha, 1 / 255),
        cmap="viridis",
        vmin=0,
        vmax=1,
        alpha=0.4,
        aspect=aspect,
    )
    if panel.alpha.max() > min(_CONTOUR_LEVELS):
        row[1].contour(
            panel.alpha,
            levels=_CONTOUR_LEVELS,
            colors=["#ffd060", "#40ff80", "#40a0ff"],
            linewidths=0.9,
        )
    row[2].imshow(panel.alpha, cmap="gray", vmin=0, vmax=1, aspect=aspect)
    if len(row) > 3 and panel.truth is not None:
        row[3].imshow(panel.truth, cmap="gray", vmin=0, vmax=1, aspect=aspect)
