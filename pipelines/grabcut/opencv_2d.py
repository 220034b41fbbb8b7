"""The papers' way: OpenCV's 2D GrabCut on an 8-bit slice, started from the two axes.

Paper 003, section III-A, strategy 3: "we use the regions marked on the long axis and the short axis
as the prior information of the GrabCut to obtain the initial rough binary masks". Pixels on the
axes are surely lesion, the rest of their ellipse probably, what lies outside surely not. The papers
work on the marked slice only. So that a lesion in 3D comes out, the same is done here on each slice
that the mark's ellipsoid reaches, with the ellipse and the axes shrunk as the ellipsoid is; slices
hand each other nothing. It is kept for comparisons.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.errors import SegmentationError
from pipelines.grabcut.component import nearest_component
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.grabcut import Cut
from pipelines.grabcut.levels import Levels

WINDOW_HU = (-1000.0, 400.0)
"""What the 8 bits show: a lung window that keeps soft tissue apart."""

_ITERATIONS = 5
_STEP = 0.25
"""Axes are drawn through every pixel that lies within so many of their sides."""


class MissingOpenCVError(SegmentationError, ImportError):
    """OpenCV is needed and is not installed."""


def grabcut_opencv_2d(
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    ellipsoid: RecistEllipsoid,
    offset: tuple[int, int, int] = (0, 0, 0),
    *,
    window: tuple[float, float] = WINDOW_HU,
    key_slice_only: bool = False,
) -> Cut:
    """Segment one lesion slice by slice with `cv2.grabCut`.

    Parameters
    ----------
    image : ndarray, axes (slice, row, column)
        HU of a crop that holds the mark and its surroundings, finite.
    spacing : tuple of float
        Voxel size in mm.
    ellipsoid : RecistEllipsoid
        The mark's shape. Slices are those of the array axis closest to its normal.
    offset : tuple of int
        Index of the crop's first voxel in the volume of the ellipsoid.
    window : tuple of float
        HU shown as black and as white.
    key_slice_only : bool
        Stop after the marked slice, as in the papers.

    Returns
    -------
    Cut
        `probability` is the mask as 0 and 1: this way knows no other.

    Raises
    ------
    MissingOpenCVError
        If OpenCV is not installed: ``pip install 'softmask-node[papers]'``.
    """
    cv2 = _opencv()
    axis = int(np.argmax(np.abs(ellipsoid.directions[2])))
    rest = [a for a in range(3) if a != axis]
    radius = ellipsoid.radius(image.shape, spacing, offset)
    low, high = window
    shown = np.clip((np.asarray(image, np.float32) - low) * np.float32(255 / (high - low)), 0, 255)
    shown = np.moveaxis(np.rint(shown).astype(np.uint8), axis, 0)
    radii = np.moveaxis(radius, axis, 0)
    centre = ellipsoid.centre / np.asarray(spacing) - np.asarray(offset)
    half = float(ellipsoid.positive[2]) / spacing[axis]
    key = int(np.clip(np.rint(centre[axis]), 0, len(shown) - 1))
    mask = np.zeros(shown.shape, bool)
    for k in [key] if key_slice_only else range(len(shown)):
        scale = 1 - ((k - centre[axis]) / half) ** 2
        if k != key and scale <= 0:
            continue
        labels = np.where(radii[k] < 1, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        axes = _axis_pixels(ellipsoid, float(np.sqrt(max(scale, 0.0))), spacing, offset, rest)
        inside = ((axes >= 0) & (axes < labels.shape)).all(axis=1)
        labels[tuple(axes[inside].T)] = cv2.GC_FGD
        mask[k] = _cut_slice(cv2, shown[k], labels)
    mask = np.moveaxis(mask, 0, axis)
    found = bool(mask.any())
    if not found:
        mask = radius <= max(0.5, float(radius.min()))
    mask = nearest_component(mask, radius)
    return Cut(mask, Levels.measure(image, radius), found, mask.astype(np.float32), False)


def _opencv():
    """The module, or a typed error that says how to get it."""
    try:
        import cv2
    except ImportError as error:
        raise MissingOpenCVError(
            "found no OpenCV, which the papers' GrabCut needs; "
            "expected it to be installed: pip install 'softmask-node[papers]'"
        ) from error
    return cv2


def _axis_pixels(
    ellipsoid: RecistEllipsoid,
    scale: float,
    spacing: tuple[float, float, float],
    offset: tuple[int, int, int],
    rest: list[int],
) -> npt.NDArray[np.int64]:
    """Pixels (row, column) on both axes, shrunk by `scale`, shape (n, 2)."""
    lines = []
    for direction, plus, minus in zip(
        ellipsoid.directions[:2], ellipsoid.positive[:2], ellipsoid.negative[:2], strict=True
    ):
        step = _STEP * min(spacing)
        t = np.arange(-minus * scale, plus * scale + step / 2, step)
        lines.append(ellipsoid.centre + t[:, None] * direction)
    points = np.concatenate(lines) / np.asarray(spacing) - np.asarray(offset)
    return np.unique(np.rint(points[:, rest]).astype(np.int64), axis=0)


def _cut_slice(cv2, shown: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]):
    """One run of OpenCV's GrabCut; what is surely lesion where it cannot run."""
    sure = labels == cv2.GC_FGD
    if not sure.any() or (labels != cv2.GC_BGD).all():
        return sure
    # OpenCV draws the first centres of its mixtures by lot.
    cv2.setRNGSeed(0)
    colour = np.repeat(shown[:, :, None], 3, axis=2)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    try:
        cv2.grabCut(
            np.ascontiguousarray(colour),
            labels,
            None,
            background,
            foreground,
            _ITERATIONS,
            cv2.GC_INIT_WITH_MASK,
        )
    except cv2.error:
        # Fewer pixels on one side than its mixture has components.
        return sure
    return (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
