"""What every matting method starts from: the unknown voxels and what is known around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.errors import TrimapError, UnknownParameterError, UnusableVolumeError
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN

DEFAULT_WINDOW = (-1000.0, 400.0)
"""HU that become 0 and 1: air to dense enhancing tissue."""


@dataclass(frozen=True, eq=False)
class MattingProblem:
    """A trimap on an image, checked, and cut down to the box that matters.

    Attributes
    ----------
    alpha : ndarray of float32, shape of the image
        The answer so far: known voxels are filled in, unknown ones are 0.
    box : tuple of slice
        The unknown voxels and `reach` voxels around them, within the image.
    image : ndarray, shape of the box
        Intensities in HU; a view.
    trimap : ndarray of uint8, shape of the box
        0 background, 1 unknown, 2 foreground; a view.
    spacing : tuple of float
        Voxel size in mm.
    window : tuple of float
        HU that become 0 and 1.
    count : int
        Number of unknown voxels. Where it is 0, `alpha` is the answer and the box is empty.
    """

    alpha: npt.NDArray[np.float32]
    box: tuple[slice, ...]
    image: npt.NDArray
    trimap: npt.NDArray[np.uint8]
    spacing: tuple[float, ...]
    window: tuple[float, float]
    count: int

    @classmethod
    def read(
        cls,
        image: npt.NDArray,
        trimap: npt.NDArray[np.uint8],
        spacing: tuple[float, ...],
        *,
        window: tuple[float, float] = DEFAULT_WINDOW,
        foreground: npt.NDArray[np.float32] | None = None,
        reach: int = 2,
    ) -> MattingProblem:
        """Check what a caller gave.

        Parameters
        ----------
        image : ndarray, any real dtype, 2D or 3D
            Intensities in HU.
        trimap : ndarray of uint8, same shape
            0 background, 1 unknown, 2 foreground.
        spacing : tuple of float
            Voxel size in mm, one for each axis.
        window : tuple of float
            HU that become 0 and 1; what lies outside is clipped (also padding such as -3024).
        foreground : ndarray of float32, same shape, optional
            Alpha of the foreground voxels, in [0, 1]; 1 everywhere where it is not given. Values
            elsewhere are not used.
        reach : int
            How many voxels around the unknown ones the method looks at.

        Raises
        ------
        UnusableVolumeError
            If the image has not 2 or 3 axes, is not real, holds values that are not finite within
            `reach` of the unknown voxels, or the spacing does not fit it.
        TrimapError
            If shapes differ, values other than 0, 1, 2 occur, or unknown voxels come without any
            background or without any foreground.
        UnknownParameterError
            If the window or the foreground's alpha makes no sense.
        """
        image, trimap = np.asarray(image), np.asarray(trimap)
        _check_image(image, spacing)
        low, high = window
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise UnknownParameterError(f"window: found {window}, expected (low, high) in HU")
        if image.shape != trimap.shape:
            raise TrimapError(f"found a trimap of shape {trimap.shape}, expected {image.shape}")
        if trimap.dtype != np.uint8:
            if not np.isin(trimap, (BACKGROUND, UNKNOWN, FOREGROUND)).all():
                raise TrimapError("found trimap values beside 0, 1 and 2")
            trimap = trimap.astype(np.uint8)
        if foreground is not None:
            foreground = np.asarray(foreground)
            if foreground.shape != image.shape:
                raise UnknownParameterError(
                    f"foreground: found shape {foreground.shape}, expected {image.shape}"
                )
            values = foreground[trimap == FOREGROUND]
            if values.size and not (values.min() >= 0 and values.max() <= 1):
                raise UnknownParameterError("foreground: found alpha outside of [0, 1]")
        trimap = np.ascontiguousarray(trimap)
        alpha = np.zeros(image.shape, np.float32)
        flat = (1,) * (3 - image.ndim) + image.shape
        counts, bounds = _scan(trimap.reshape(flat), alpha.reshape(flat))
        background, count, known, other = (int(c) for c in counts)
        if other:
            raise TrimapError(f"found {other} trimap voxels that are not 0, 1 or 2")
        if count and not known:
            raise TrimapError("found unknown voxels but no foreground, expected both")
        if count and not background:
            raise TrimapError("found unknown voxels but no background, expected both")
        if foreground is not None:
            np.copyto(alpha, foreground, where=trimap == FOREGROUND, casting="same_kind")
        box = tuple(
            slice(max(int(first) - reach, 0), min(int(last) + 1 + reach, n)) if count else slice(0)
            for (first, last), n in zip(bounds[3 - image.ndim :], image.shape, strict=True)
        )
        # Voxels outside of the box are never looked at. A sum is finite where all terms are, unless
        # it overflows: then each is asked.
        seen = image[box]
        if image.dtype.kind == "f" and not np.isfinite(seen.sum()) and not np.isfinite(seen).all():
            raise UnusableVolumeError("found intensities that are not finite")
        spacing = tuple(float(s) for s in spacing)
        return cls(alpha, box, seen, trimap[box], spacing, (low, high), count)

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """Where alpha is asked for, shape of the box."""
        return self.trimap == UNKNOWN

    @property
    def known(self) -> npt.NDArray[np.float32]:
        """Alpha of the known voxels, 0 at unknown ones, shape of the box; a view."""
        return self.alpha[self.box]

    def guide(self, dtype: npt.DTypeLike = np.float32) -> npt.NDArray:
        """Intensities clipped to the window and scaled to [0, 1], shape of the box."""
        low, high = self.window
        return np.clip((self.image.astype(dtype) - dtype(low)) / dtype(high - low), 0, 1)

    def line(self) -> tuple[float, float]:
        """Gain and offset of the known voxels' alpha as a linear function of the guide.

        Least squares over the box; 0 and 0.5 where intensities are all alike.
        """
        flat = (1,) * (3 - self.image.ndim) + self.image.shape
        low, high = self.window
        return _line(
            np.asarray(self.image, np.float32).reshape(flat),
            self.trimap.reshape(flat),
            self.known.reshape(flat),
            np.float32(low),
            np.float32(1 / (high - low)),
        )

    def first_guess(self) -> npt.NDArray[np.float32]:
        """`line` of the unknown voxels' intensities, clipped to [0, 1], shape (count,).

        Iterative methods start from it, in the order of ``unknown.nonzero()``.
        """
        gain, offset = self.line()
        low, high = self.window
        guide = np.clip((self.image[self.unknown].astype(np.float32) - low) / (high - low), 0, 1)
        return np.clip(gain * guide + offset, 0, 1)

    def prior(
        self, prior: npt.ArrayLike | None, weight: npt.ArrayLike | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | tuple[None, None]:
        """A prior's alpha and weights on the box; None and None where there is none.

        Raises
        ------
        UnknownParameterError
            If only one is given, a shape is not the image's, a number is not finite or a weight
            below 0.
        """
        if (prior is None) != (weight is None):
            raise UnknownParameterError("found only one of prior and prior_weight, expected both")
        if prior is None:
            return None, None
        prior, weight = np.asarray(prior, np.float32), np.asarray(weight, np.float32)
        for name, array in (("prior", prior), ("prior_weight", weight)):
            if array.shape != self.alpha.shape:
                raise UnknownParameterError(
                    f"{name}: found shape {array.shape}, expected {self.alpha.shape}"
                )
        if not (np.isfinite(prior).all() and np.isfinite(weight).all() and (weight >= 0).all()):
            raise UnknownParameterError(
                "found a prior that is not finite or a weight below 0, expected neither"
            )
        return prior[self.box], weight[self.box]

    def fill(self, values: npt.NDArray) -> npt.NDArray[np.float32]:
        """Alpha of the whole image from the values of the unknown voxels, clipped to [0, 1].

        Parameters
        ----------
        values : ndarray, shape (count,)
            In the order of ``unknown.nonzero()``.
        """
        self.alpha[self.box][self.unknown] = np.clip(values, 0, 1)
        return self.alpha


def _check_image(image: npt.NDArray, spacing: tuple[float, ...]) -> None:
    if image.ndim not in (2, 3):
        raise UnusableVolumeError(f"found an image of {image.ndim} axes, expected 2 or 3")
    if image.dtype.kind not in "iuf":
        raise UnusableVolumeError(f"found intensities of type {image.dtype}, expected real numbers")
    if len(spacing) != image.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise UnusableVolumeError(f"found spacing {spacing}, expected {image.ndim} lengths in mm")


@compiled
def _scan(trimap, alpha):
    """Fill the known alpha; counts of background, unknown, foreground, other; unknown bounds."""
    counts = np.zeros(4, np.int64)
    bounds = np.empty((3, 2), np.int64)
    bounds[:, 0], bounds[:, 1] = np.iinfo(np.int64).max, -1
    depth, height, width = trimap.shape
    for z in range(depth):
        for y in range(height):
            seen = np.uint8(0)
            for x in range(width):
                seen |= trimap[z, y, x]
            if seen == 0:  # most rows of most crops
                counts[0] += width
                continue
            background = foreground = unknown = np.uint32(0)
            for x in range(width):
                value = trimap[z, y, x]
                background += np.uint32(value == 0)
                unknown += np.uint32(value == 1)
                foreground += np.uint32(value == 2)
            counts[0] += background
            counts[1] += unknown
            counts[2] += foreground
            counts[3] += width - background - foreground - unknown
            if foreground:
                for x in range(width):
                    alpha[z, y, x] = np.float32(trimap[z, y, x] == 2)
            if unknown:
                first, last = 0, width - 1
                while trimap[z, y, first] != 1:
                    first += 1
                while trimap[z, y, last] != 1:
                    last -= 1
                bounds[0, 0], bounds[0, 1] = min(bounds[0, 0], z), max(bounds[0, 1], z)
                bounds[1, 0], bounds[1, 1] = min(bounds[1, 0], y), max(bounds[1, 1], y)
                bounds[2, 0], bounds[2, 1] = min(bounds[2, 0], first), max(bounds[2, 1], last)
    return counts, bounds


@compiled
def _line(image, trimap, alpha, low, scale):
    zero, one = np.float32(0), np.float32(1)
    sums = np.zeros(5)
    for z in range(image.shape[0]):
        for y in range(image.shape[1]):
            # Partial sums, so that float32 adds numbers of like size.
            n = f = ff = a = af = zero
            for x in range(image.shape[2]):
                known = np.float32(trimap[z, y, x] != 1)
                guide = known * min(max((image[z, y, x] - low) * scale, zero), one)
                n += known
                f += guide
                ff += guide * guide
                a += known * alpha[z, y, x]
                af += guide * alpha[z, y, x]
            for i, part in enumerate((n, f, ff, a, af)):
                sums[i] += part
    n, f, ff, a, af = sums
    spread = n * ff - f * f
    if not spread > 1e-6 * n * n:
        return 0.0, 0.5
    gain = (n * af - f * a) / spread
    return gain, (a - gain * f) / n
