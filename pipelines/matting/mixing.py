"""HU as a mix of two materials whose levels are measured around every voxel.

The background's level is that of lung (or of whatever is least dense around the band), the lesion's
that of its outer part: a part-solid nodule begins where its haze does, not where its core is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined
from pipelines.distance import distance_within
from pipelines.soft_mask import BACKGROUND, FOREGROUND

Array = npt.NDArray[np.float32]

_NODE_MM = 2.0
"""Levels vary slowly: they are averaged and kept on nodes so far apart."""

_LESION_SIGMA_MM, _BACKGROUND_SIGMA_MM = 2.0, 3.0
_FAR = 5.0
"""So many standard deviations away, a Gaussian's weight drowns in `_local_mean`'s fallback."""

_RIM_MM = 1.5
"""Lesion's level is measured so deep into the known lesion."""

_UNEVEN, _ABOVE = 3.0, 2.0
"""A rim whose quartiles lie more than 3 noises apart is uneven (noise alone: 1.35); up to 2
noises above its lower quartile it counts."""

_HAZE_HU = -450.0
"""Ground glass is dimmer than this; the rim of a solid nodule is not."""

_LEAST_CONTRAST = 80.0
"""HU between the levels; less is noise."""

_CLOSE = 1.5
"""Axes with voxels up to so much farther apart than the closest show noise, not anatomy."""

_LEAST_NOISE, _USUAL_NOISE = 4.0, 20.0


@dataclass(frozen=True, eq=False)
class Mix:
    """What HU say about each voxel of a box.

    Attributes
    ----------
    part : ndarray of float32
        0 at the background's level, 1 at the lesion's, at most 1, at least -0.3.
    noise : ndarray of float32
        Standard deviation of `part`.
    dense : ndarray of bool
        Known background that is as dense as lesion: chest wall, vessels.
    """

    part: Array
    noise: Array
    dense: npt.NDArray[np.bool_]


def read_mix(image: Array, trimap: npt.NDArray[np.uint8], spacing: tuple[float, ...]) -> Mix:
    """Measure levels and noise, and mix.

    Parameters
    ----------
    image : ndarray of float32, axes (slice, row, column)
        HU; a few millimetres around the unknown band.
    trimap : ndarray of uint8, same shape
        With some background and some foreground.
    spacing : tuple of float
        Voxel size in mm.
    """
    known_out, known_in = trimap == BACKGROUND, trimap == FOREGROUND
    outside = float(np.percentile(image[known_out], 30))
    width = max(_RIM_MM, min(spacing))
    rim = known_in & (distance_within(~known_in, spacing, width) <= width)
    rim = rim if rim.any() else known_in
    noise = _noise(image, known_out & (image < outside + 150), spacing)
    # Haze around a core, too uneven for noise alone: only the dimmer part of the rim is haze.
    low, high = np.percentile(image[rim], (25, 75))
    if low < _HAZE_HU and high - low > _UNEVEN * noise:
        rim = rim & (image <= low + _ABOVE * noise)
    inside = float(np.median(image[rim]))
    if inside - outside < max(_LEAST_CONTRAST, 3 * noise):
        # All is equally dense, as in a mediastinum: only shape can tell lesion from the rest.
        whole = np.ones_like(image)
        return Mix(whole, whole, known_out)
    middle = (outside + inside) / 2
    thin = known_out & (image < middle)
    lesion = _local_mean(image, rim, spacing, _LESION_SIGMA_MM, inside)
    background = _local_mean(image, thin, spacing, _BACKGROUND_SIGMA_MM, outside)
    contrast = np.maximum(lesion - background, np.float32(_LEAST_CONTRAST))
    part = np.clip((image - background) / contrast, np.float32(-0.3), np.float32(1))
    return Mix(part, np.float32(noise) / contrast, known_out & (image >= middle))


def _noise(image: Array, quiet: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> float:
    """Robust standard deviation of HU from voxels four apart, where they lie closest."""
    found = []
    closest = min((s for s, n in zip(spacing, image.shape, strict=True) if n > 4), default=0)
    for axis, s in enumerate(spacing):
        a, b = np.moveaxis(image, axis, 0), np.moveaxis(quiet, axis, 0)
        if len(a) > 4 and s <= _CLOSE * closest:
            found.append((a[4:] - a[:-4])[b[4:] & b[:-4]])
    values = np.concatenate(found) if found else np.empty(0)
    if values.size < 40:
        return _USUAL_NOISE
    return max(1.4826 * float(np.median(np.abs(values))) / np.sqrt(2), _LEAST_NOISE)


def _local_mean(
    image: Array,
    where: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    sigma_mm: float,
    fallback: float,
) -> Array:
    """Gaussian mean of the voxels in `where`, by way of coarse nodes; `fallback` far from any."""
    weight = where.astype(np.float32)
    total = weight * (image - np.float32(fallback))
    pairs = [_nodes(n, s, sigma_mm) for n, s in zip(image.shape, spacing, strict=True)]
    ups, downs = zip(*pairs, strict=True)
    sums = _along_axes(downs, total)
    # One part in ten thousand of one voxel: where nothing is near, the fallback.
    level = sums / (_along_axes(downs, weight) + np.float32(1e-4))
    return _along_axes(ups, level) + np.float32(fallback)


def _along_axes(matrices: tuple[Array, ...], values: Array) -> Array:
    """Multiply each axis of a volume by its matrix; without BLAS, whose threads cost more here.

    Rows are summed whole where that can be: so a volume that shrinks does so along its last axis
    last, and one that grows first.
    """
    shrinks = matrices[2].shape[0] < matrices[2].shape[1]
    if not shrinks:
        values = _along_last(matrices[2], values)
    depth, height, width = values.shape
    if shrinks:
        values = _along_middle(matrices[0], values.reshape(1, depth, height * width))
        values = _along_middle(matrices[1], values.reshape(-1, height, width))
        return _along_last(matrices[2], values)
    values = _along_middle(matrices[1], values)
    return _along_middle(matrices[0], values.reshape(1, depth, -1)).reshape(
        len(matrices[0]), -1, width
    )


@compiled
def _along_middle(matrix, values):
    """Multiply the middle axis by a matrix whose rows may begin and end with zeros."""
    ends = _ends(matrix)
    result = np.zeros((values.shape[0], matrix.shape[0], values.shape[2]), np.float32)
    for z in range(values.shape[0]):
        for k in range(matrix.shape[0]):
            made = result[z, k]
            for y in range(ends[k, 0], ends[k, 1]):
                weight, row = matrix[k, y], values[z, y]
                for x in range(len(row)):
                    made[x] += weight * row[x]
    return result


@compiled
def _along_last(matrix, values):
    """Multiply the last axis by such a matrix."""
    ends = _ends(matrix)
    depth, height, _ = values.shape
    result = np.empty((depth, height, matrix.shape[0]), np.float32)
    for z in range(depth):
        for y in range(height):
            row, made = values[z, y], result[z, y]
            for k in range(matrix.shape[0]):
                weights, total = matrix[k], np.float32(0)
                for x in range(ends[k, 0], ends[k, 1]):
                    total += weights[x] * row[x]
                made[k] = total
    return result


@inlined
def _ends(matrix):
    """First column that is not zero and the one after the last, of each row."""
    ends = np.zeros((matrix.shape[0], 2), np.int64)
    for k in range(matrix.shape[0]):
        for x in range(matrix.shape[1]):
            if matrix[k, x] != 0:
                if ends[k, 1] == 0:
                    ends[k, 0] = x
                ends[k, 1] = x + 1
    return ends


def _nodes(count: int, spacing: float, sigma_mm: float) -> tuple[Array, Array]:
    """Linear interpolation from nodes to voxels, and the Gaussian from voxels to nodes."""
    length = (count - 1) * spacing
    number = max(int(np.ceil(length / _NODE_MM)) + 1, 2) if count > 1 else 1
    nodes = np.linspace(0, length, number)
    voxels = np.arange(count) * spacing
    gap = length / (number - 1) if number > 1 else 1.0
    up = np.maximum(1 - np.abs(voxels[:, None] - nodes[None]) / gap, 0)
    apart = (nodes[:, None] - voxels[None]) / sigma_mm
    down = np.where(np.abs(apart) <= _FAR, np.exp(-0.5 * apart**2), 0)
    return up.astype(np.float32), down.astype(np.float32)
