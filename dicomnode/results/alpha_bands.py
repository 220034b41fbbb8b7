"""The soft edge cut into disjoint bands of alpha, for viewers that show labels only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.results.whole_frames import EmptyMask


@dataclass(frozen=True)
class AlphaBand:
    """Voxels of alpha from `low` up to the next band.

    Attributes
    ----------
    name : str
        What the segment is called, beside the lesion's label.
    low : float
        Least alpha of the band, in (0, 1].
    rgb : tuple of int
        Recommended colour, sRGB, 0 to 255.
    """

    name: str
    low: float
    rgb: tuple[int, int, int]

    def __post_init__(self) -> None:
        if not 0 < self.low <= 1:
            raise ValueError(f"found a band from alpha {self.low}, expected one in (0, 1]")
        check_rgb(self.rgb)


def check_rgb(rgb: tuple[int, int, int]) -> None:
    """Check that a colour is three numbers from 0 to 255.

    Raises
    ------
    ValueError
        With the colour.
    """
    if len(rgb) != 3 or not all(0 <= part <= 255 for part in rgb):
        raise ValueError(f"found colour {rgb}, expected three numbers from 0 to 255")


MOST_BANDS = 20
"""More cannot be told apart; each is a segment of its own."""

STANDARD_BANDS = (
    AlphaBand("halo", 0.25, (86, 180, 233)),
    AlphaBand("rim", 0.5, (240, 228, 66)),
    AlphaBand("core", 0.75, (213, 94, 0)),
)
"""Alpha 0.25 to 0.5, 0.5 to 0.75, and 0.75 or more. Rim and core together are the mask at 0.5. The
colours are those of the iso-curves at the same levels, told apart by the colour-blind (Okabe and
Ito 2008)."""


def check_bands(bands: Sequence[AlphaBand]) -> None:
    """Check that there are bands, and that they go inwards.

    Raises
    ------
    ValueError
        With where they begin.
    """
    lows = [band.low for band in bands]
    if not 1 <= len(lows) <= MOST_BANDS or lows != sorted(set(lows)):
        raise ValueError(
            f"found bands from alpha {lows}, expected 1 to {MOST_BANDS}, ever greater ones"
        )


def band_labels(
    alpha: npt.NDArray[np.floating], bands: Sequence[AlphaBand]
) -> tuple[npt.NDArray[np.uint8], tuple[AlphaBand, ...]]:
    """Number each voxel with its band.

    Parameters
    ----------
    alpha : ndarray
        In [0, 1].
    bands : sequence of AlphaBand
        From the outermost to the innermost.

    Returns
    -------
    labels : ndarray, uint8, shape of `alpha`
        0 below the first band, else the number, from 1, of the band among `present`.
    present : tuple of AlphaBand
        The bands that hold a voxel, outermost first.

    Raises
    ------
    EmptyMask
        If no band holds a voxel.
    ValueError
        If the bands do not go inwards, or there is none.
    """
    check_bands(bands)
    lows = [band.low for band in bands]
    # Compared as float32, as the voxels are: 0.1 as float64 lies above 0.1 as float32.
    numbers = np.searchsorted(np.array(lows, dtype=alpha.dtype), alpha, side="right")
    filled = np.unique(numbers[numbers > 0])
    if filled.size == 0:
        raise EmptyMask(f"no voxel of the soft mask reaches {lows[0]:g}")
    renumbered = np.zeros(len(bands) + 1, dtype=np.uint8)
    renumbered[filled] = np.arange(1, filled.size + 1)
    return renumbered[numbers], tuple(bands[number - 1] for number in filled)
