"""Samples for a network that is told by a mark which lesion is meant."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.longest_axes import longest_axes
from pipelines.prompted.channels import channels
from pipelines.prompted.frame import MarkFrame

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Disturbance:
    """How much samples differ from what the data hold; 0 is not at all.

    Attributes
    ----------
    ends_pixels : float
        Ends of axes are moved by a normal error of up to this standard deviation.
    other_slice : float
        Share of marks on another slice than where the reader's outline is largest.
    one_axis : float
        Share of marks without a short axis.
    stretch : float
        Lesions are stretched across the long axis and along z by up to this part.
    shift_hu, noise_hu : float
        Standard deviation of a shift of all HU; largest standard deviation of noise.
    gain : float
        Standard deviation of the factor by which HU above air are off.
    blur_pixels : float
        Largest standard deviation of a blur in the frame.
    bare : float
        Share of samples of a data set without context that end where the data end; the others go
        on with slices in which the lesion is replaced by its surroundings.
    cut : float
        Share of samples in which the CT ends within the lesion.
    """

    ends_pixels: float = 1.0
    other_slice: float = 0.25
    one_axis: float = 0.15
    stretch: float = 0.12
    shift_hu: float = 15.0
    noise_hu: float = 30.0
    gain: float = 0.03
    blur_pixels: float = 0.8
    bare: float = 0.3
    cut: float = 0.15


@dataclass(frozen=True, eq=False)
class Sample:
    """One lesion's planes.

    Attributes
    ----------
    channels : ndarray of float32, shape (planes, channels, SIDE, SIDE)
        See `pipelines.prompted.channels`.
    target : ndarray of float32, shape (planes, SIDE, SIDE)
        Part of the readers who marked each pixel.
    weight : ndarray of float32, shape (planes,)
        How much a plane counts: 0 where there is no truth.
    """

    channels: Array
    target: Array
    weight: Array


class MarkedLesion:
    """A lesion with the marks that its readers might have drawn; they are measured once."""

    def __init__(self, lesion: AnnotatedLesion) -> None:
        self.lesion = lesion
        self.share = lesion.masks.mean(axis=0, dtype=np.float32)
        self.areas = lesion.masks.sum(axis=(2, 3))
        (there,) = lesion.masks.any(axis=(0, 2, 3)).nonzero()
        self.first, self.last = int(there[0]), int(there[-1])
        self._axes: dict[tuple[int, int], tuple[npt.NDArray, npt.NDArray]] = {}

    def axes(self, reader: int, index: int) -> tuple[npt.NDArray, npt.NDArray]:
        """Long and short axis of the largest region of a reader's mask on a slice."""
        if (reader, index) not in self._axes:
            labels, _ = ndimage.label(self.lesion.masks[reader, index], structure=np.ones((3, 3)))
            region = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
            self._axes[reader, index] = longest_axes(region, self.lesion.spacing[1:])
        return self._axes[reader, index]


def marked_frame(marked: MarkedLesion, rng: np.random.Generator, how: Disturbance) -> MarkFrame:
    """The frame of a mark as a reader drawn by lot might have made it."""
    lesion = marked.lesion
    reader = int(rng.choice(lesion.readers))
    areas = marked.areas[reader]
    key = int(areas.argmax())
    if rng.random() < how.other_slice:
        key = int(rng.choice(np.flatnonzero(areas >= 0.75 * areas[key])))
    long_axis, short_axis = marked.axes(reader, key)
    length = float(np.linalg.norm(long_axis[1] - long_axis[0]))
    error = min(rng.uniform(0, how.ends_pixels), 0.06 * length)
    long_axis = long_axis + error * rng.standard_normal((2, 2))
    short_axis = short_axis + error * rng.standard_normal((2, 2))
    z = lesion.spacing[0] * rng.uniform(1 - how.stretch, 1 + how.stretch)
    frame = MarkFrame.of(
        key,
        long_axis,
        None if rng.random() < how.one_axis else short_axis,
        (z, *lesion.spacing[1:]),
    )
    # A longer step across shows the lesion, and its mark, narrower.
    factor = rng.uniform(1 - how.stretch, 1 + how.stretch)
    return replace(frame, across=frame.across * factor, ends=frame.ends / (1, factor))


def prompted_sample(
    marked: MarkedLesion, rng: np.random.Generator, count: int, how: Disturbance
) -> Sample:
    """One sample: a window of planes about the lesion or a part of it.

    Parameters
    ----------
    marked : MarkedLesion
    rng : numpy.random.Generator
        The same state gives the same sample.
    count : int
        Planes of the window.
    how : Disturbance
    """
    lesion = marked.lesion
    frame = marked_frame(marked, rng, how)
    # The window's middle lies in the lesion or one plane beside it: few planes show no lesion.
    low = (marked.first - frame.key) // frame.stride - 1
    high = -((frame.key - marked.last) // frame.stride) + 1
    begin = int(rng.integers(low, high + 1)) - count // 2 + int(rng.integers(2)) * (1 - count % 2)
    planes = frame.key + frame.stride * (begin + np.arange(count))
    if rng.random() < 0.5:
        planes = planes[::-1]
    held = (planes >= 0) & (planes < len(lesion.hu))
    there = held.copy()
    stack, weight = _slices(lesion, planes, rng)
    if lesion.beyond is None or rng.random() < how.bare:
        weight = np.where(held, weight, 0).astype(np.float32)
    else:
        there[:] = True
    if rng.random() < how.cut:
        end = int(rng.integers(1, count))
        lost = np.arange(count) >= end if rng.random() < 0.5 else np.arange(count) < end
        there &= ~lost
        weight[lost] = 0
    hu = disturbed_hu(frame.sampled(stack, float("nan")), rng, how)
    target = np.zeros_like(hu)
    target[held] = frame.sampled(marked.share[planes[held]], 0.0) if held.any() else 0
    made = channels(frame, planes, hu, there)
    flips = tuple(axis for axis in (-2, -1) if rng.random() < 0.5)
    made, target = np.flip(made, flips), np.flip(target, flips)
    return Sample(np.ascontiguousarray(made), np.ascontiguousarray(target), weight)


def _slices(
    lesion: AnnotatedLesion, planes: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[Array, Array]:
    """HU of slices, and how much each counts; beyond the ends what stands in for them."""
    last = len(lesion.hu) - 1
    stack = lesion.hu[np.clip(planes, 0, last)].astype(np.float32)
    weight = np.ones(len(planes), np.float32)
    if lesion.beyond is not None:
        # The next slice keeps a part of the lesion, as a real neighbour does by partial volume.
        kept = rng.uniform(0, 0.4)
        for end, gap in ((0, -planes), (1, planes - last)):
            for at in np.flatnonzero(gap > 0):
                part = kept if gap[at] == 1 else 0.0
                stack[at] = part * stack[at] + (1 - part) * lesion.beyond[end]
                weight[at] = 0.5
    return stack, weight


def disturbed_hu(hu: Array, rng: np.random.Generator, how: Disturbance) -> Array:
    """HU of another scanner."""
    blur, noise = rng.uniform(0, how.blur_pixels), rng.uniform(0, how.noise_hu)
    if rng.random() < 0.3 and blur > 0:
        hu = ndimage.gaussian_filter(hu, (0, blur, blur))
    hu = (hu + 1000) * (1 + how.gain * rng.standard_normal()) - 1000
    hu = hu + how.shift_hu * rng.standard_normal()
    if rng.random() < 0.6:
        field = ndimage.gaussian_filter(
            rng.standard_normal(hu.shape, dtype=np.float32), (0, 0.7, 0.7)
        )
        hu = hu + noise * 2.3 * field
    return hu.astype(np.float32)
