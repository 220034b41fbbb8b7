"""Samples for networks that see single slices and are not told which lesion is meant.

Crops of a CT's own pixels, or of its own pixels turned and a little stretched. The papers turn,
mirror and warp their slices (flip, rotate, elastic); a place within the crop and HU of another
scanner are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.prompted_samples import Disturbance, disturbed_hu
from pipelines.networks.values import windowed

Array = npt.NDArray[np.float32]

_KNOTS = 5
"""Of the warp, along a side."""

_FREE = 4
"""Pixels of a crop between a lesion and the edge."""


@dataclass(frozen=True)
class SliceDisturbance:
    """How much samples differ from what the data hold; 0 is not at all.

    Attributes
    ----------
    exact : float
        Share of samples that show the CT's own pixels, mirrored and turned by right angles, as a
        network sees them later. The others are mirrored, turned by any angle, warped and stretched,
        which smooths their noise.
    warp_pixels : float
        Standard deviation of a smooth displacement.
    stretch : float
        Standard deviation of the logarithm of a factor in size.
    beyond : float
        Share of samples from beyond the ends of the lesion.
    hu : Disturbance
        Of which shift, gain, noise and blur are used.
    """

    exact: float = 0.3
    warp_pixels: float = 0.8
    stretch: float = 0.12
    beyond: float = 0.08
    hu: Disturbance = field(default_factory=Disturbance)


@dataclass(frozen=True, eq=False)
class SliceSample:
    """One crop of a slice.

    Attributes
    ----------
    image : ndarray of float32, shape (channels, side, side)
        Values of a network's input; the middle channel is the slice, those beside it its
        neighbours.
    alpha : ndarray of float32, shape (1, side, side)
        Part of the readers who marked each pixel.
    mask : ndarray of float32, shape (1, side, side)
        One reader's, 0 or 1.
    """

    image: Array
    alpha: Array
    mask: Array


class SlicedLesion:
    """A lesion, and where it lies on each of its slices."""

    def __init__(self, lesion: AnnotatedLesion) -> None:
        self.lesion = lesion
        marked = lesion.masks.any(axis=0)
        (self.slices,) = marked.any(axis=(1, 2)).nonzero()
        (bare,) = (~marked.any(axis=(1, 2))).nonzero()
        # Slices of context, or else what stands in for them: -1 and one past the last.
        self.beyond = bare if lesion.beyond is None else np.array([-1, len(lesion.hu)])
        self.places = {int(index): _place(marked[index]) for index in self.slices}

    def place(self, index: int) -> tuple[npt.NDArray[np.float64], float]:
        """Centre (row, column) and radius in pixels, of the nearest slice that shows the lesion."""
        nearest = self.slices[np.abs(self.slices - index).argmin()]
        return self.places[int(nearest)]


def _place(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.float64], float]:
    pixels = np.argwhere(mask)
    centre = (pixels.min(axis=0) + pixels.max(axis=0)) / 2
    return centre, float(np.linalg.norm(pixels - centre, axis=1).max())


def planes(
    lesion: AnnotatedLesion, index: int, neighbours: int, repeated: bool = True
) -> npt.NDArray[np.int16]:
    """A slice with its neighbours, HU, shape (1 + 2 neighbours, rows, columns).

    Parameters
    ----------
    lesion : AnnotatedLesion
    index : int
        -1 and one past the last are what stands in beyond the ends.
    neighbours : int
        On each side.
    repeated : bool
        Whether beyond the ends of the data the last slice comes again, as where a CT ends, and not
        what stands in there.
    """
    last = len(lesion.hu) - 1
    wanted = index + np.arange(-neighbours, neighbours + 1)
    stack = lesion.hu[np.clip(wanted, 0, last)].copy()
    if lesion.beyond is not None and not (repeated and 0 <= index <= last):
        stack[wanted < 0], stack[wanted > last] = lesion.beyond
    return stack


def slice_sample(
    sliced: SlicedLesion,
    rng: np.random.Generator,
    side: int,
    contract: InputContract,
    how: SliceDisturbance,
) -> SliceSample:
    """One crop of one slice, drawn so that a lesion's slices come equally often.

    The crop holds the lesion at any place, where it is not larger than the crop and does not lie at
    the edge of the data.

    Parameters
    ----------
    sliced : SlicedLesion
    rng : numpy.random.Generator
        The same state gives the same sample.
    side : int
        Rows and columns of the crop.
    contract : InputContract
        Of the network; an odd count of channels, the middle one of which is the slice.
    how : SliceDisturbance
    """
    lesion = sliced.lesion
    outside = rng.random() < how.beyond and len(sliced.beyond) > 0
    index = int(rng.choice(sliced.beyond if outside else sliced.slices))
    stack = planes(lesion, index, contract.channels // 2, repeated=rng.random() < 0.5)
    held = 0 <= index < len(lesion.hu)
    masks = lesion.masks[:, index] if held else np.zeros_like(lesion.masks[:, 0])
    places = _places(sliced.place(index), lesion.hu.shape[1:], side, rng, how)
    hu = np.stack([_sampled(plane, places, "nearest") for plane in stack])
    hu = disturbed_hu(hu, rng, how.hu)
    # A reader who marked nothing on this slice has an empty mask.
    readers = np.stack([_sampled(mask, places, "constant") for mask in masks])
    mask = readers[int(rng.choice(lesion.readers))] >= 0.5
    return SliceSample(
        windowed(hu, contract),
        readers.mean(axis=0, dtype=np.float32)[None],
        mask[None].astype(np.float32),
    )


def _sampled(plane: npt.NDArray, places: npt.NDArray[np.float64], mode: str) -> Array:
    return ndimage.map_coordinates(plane.astype(np.float32), places, order=1, mode=mode)


def _places(
    place: tuple[npt.NDArray[np.float64], float],
    shape: tuple[int, ...],
    side: int,
    rng: np.random.Generator,
    how: SliceDisturbance,
) -> npt.NDArray[np.float64]:
    """Where on the slice each pixel of a crop lies, shape (2, side, side)."""
    centre, radius = place
    exact = rng.random() < how.exact
    factor = 1.0 if exact else float(np.exp(how.stretch * rng.standard_normal()))
    angle = np.pi / 2 * rng.integers(4) if exact else rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    # A pixel of the crop takes `factor` pixels of the slice; a warp moves the lesion a little.
    room = max(factor * (side / 2 - _FREE) - radius, 0.0)
    middle = centre + turn @ rng.uniform(-room, room, 2)
    # Not far over the edge of the data, where there is no CT.
    half = np.minimum(factor * side / 2, np.array(shape) / 2)
    middle = np.clip(middle, half - 0.5, np.array(shape) - half - 0.5)
    axis = np.arange(side) - (side - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"))
    if not exact:
        knots = how.warp_pixels * rng.standard_normal((2, _KNOTS, _KNOTS))
        zoom = side / _KNOTS
        grid += np.stack([ndimage.zoom(one, zoom, order=3, mode="nearest") for one in knots])
    places = middle[:, None, None] + factor * np.einsum("ij,jrc->irc", turn, grid)
    return np.rint(places) if exact else places
