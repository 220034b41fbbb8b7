"""A stack that ends where its lesion ends, continued beyond both ends.

Each slice that is added is the end slice with what any reader marked replaced by its surroundings;
the one next to the lesion keeps 30 % of it, as a real neighbour does by partial volume. They are no
real neighbours.
"""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt

NEIGHBOUR = 0.3
"""Share of the lesion that the first slice beyond an end keeps."""


def reach_beyond_mm(long_mm: float) -> float:
    """How far beyond the ends a stack is continued for a mark of that long axis."""
    return 0.75 * long_mm + 6


def continued(
    volume: hd.Volume,
    masks: npt.NDArray[np.bool_],
    beyond: npt.NDArray,
    reach_mm: float,
) -> tuple[hd.Volume, npt.NDArray[np.bool_]]:
    """The same stack with slices added on both sides.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        HU.
    masks : ndarray of bool, axes (reader, slice, row, column)
    beyond : ndarray, shape (2, rows, columns)
        The first and the last slice without the lesion, HU: `pipelines.dataset.beyond_ends`.
    reach_mm : float
        Slices are added as far as this.

    Returns
    -------
    volume : highdicom.Volume, float32
        Old voxels keep their places in space.
    masks : ndarray of bool
        Nothing is marked on the added slices.
    """
    array = volume.array
    count = int(np.ceil(reach_mm / volume.spacing[0]))
    added = []
    for end, filled in zip((0, -1), beyond, strict=True):
        near = NEIGHBOUR * array[end] + (1 - NEIGHBOUR) * filled
        slices = [near] + [filled] * (count - 1)
        added.append(np.stack(slices[::-1] if end == 0 else slices))
    first = np.eye(4)
    first[0, 3] = -count
    longer = hd.Volume(
        np.concatenate([added[0], array, added[1]]).astype(np.float32),
        volume.get_affine(output_convention="LPS") @ first,
        coordinate_system="PATIENT",
    )
    return longer, np.pad(masks, ((0, 0), (count, count), (0, 0), (0, 0)))
